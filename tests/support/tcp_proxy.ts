/** A port before a server's, over which the server can fail, fall silent, and return. */
import { connect, createServer, type Server, type Socket } from "node:net";
import { once } from "node:events";

export interface TcpProxy extends AsyncDisposable {
  readonly port: number;
  /** Breaks all connections and takes no new ones. */
  cut(): Promise<void>;
  /** Takes connections again, on the same port. */
  mend(): Promise<void>;
  /** Keeps connections open and takes new ones, and passes nothing on. */
  freeze(): void;
  /** Passes on what has arrived since, and what follows. */
  thaw(): void;
}

/** @param target host and port of the server */
export async function startTcpProxy(
  target: { readonly hostname: string; readonly port: number },
): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  let isFrozen = false;
  const kept = (socket: Socket): Socket => {
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => sockets.delete(socket));
    return socket;
  };
  let server: Server | undefined;
  const listen = async (port: number): Promise<number> => {
    server = createServer((near) => {
      const far = kept(connect(target.port, target.hostname));
      kept(near).on("data", (bytes) => far.write(bytes));
      far.on("data", (bytes) => near.write(bytes));
      if (isFrozen) [near, far].forEach((socket) => socket.pause());
      near.on("close", () => far.destroy());
      far.on("close", () => near.destroy());
    });
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    return typeof address === "object" && address !== null ? address.port : port;
  };
  const cut = async (): Promise<void> => {
    if (!server?.listening) return;
    const closed = once(server, "close");
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  const port = await listen(0);
  return {
    port,
    cut,
    mend: async () => void await listen(port),
    freeze: () => {
      isFrozen = true;
      for (const socket of sockets) socket.pause();
    },
    thaw: () => {
      isFrozen = false;
      for (const socket of sockets) socket.resume();
    },
    [Symbol.asyncDispose]: cut,
  };
}
