/** A server that does not answer. */
import { type AddressInfo, createServer, type Socket } from "node:net";

/** A port that takes connections, and does not answer. */
export async function silentServer() {
  const sockets = new Set<Socket>();
  const connected = Promise.withResolvers<void>();
  const server = createServer((socket) => {
    sockets.add(socket.on("error", () => {}));
    connected.resolve();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    connected: connected.promise,
    [Symbol.dispose]() {
      sockets.forEach((each) => each.destroy());
      server.close();
    },
  };
}
