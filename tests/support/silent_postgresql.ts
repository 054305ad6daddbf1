/** A server that speaks the PostgreSQL wire just enough for statements without parameters, and can fall silent. */

export interface SilentPostgresql extends AsyncDisposable {
  readonly port: number;
  /** Connections that clients have opened, and those that they have not closed. */
  readonly opened: number;
  readonly open: number;
}

export interface SilentOptions {
  /** Answers no login, closes each connection at once, or answers statements other than `silent …`. */
  readonly login: "silent" | "closed" | "answered";
}

const message = (type: string, ...parts: (number[] | string)[]): number[] => {
  const body = parts.flatMap((part) =>
    typeof part === "string" ? [...new TextEncoder().encode(part), 0] : part
  );
  return [type.charCodeAt(0), ...int32(4 + body.length), ...body];
};
const int32 = (
  value: number,
): number[] => [value >> 24 & 255, value >> 16 & 255, value >> 8 & 255, value & 255];

/** What a server answers to a login. */
export const LOGGED_IN = [message("R", int32(0)), message("K", int32(1), int32(2)), message("Z", [73])]
  .flat();
/** One row with one text, `PostgreSQL 16`, in answer to a statement without parameters. */
const TEXT = "PostgreSQL 16";
const ANSWER = [
  message("T", [0, 1], "version", [...int32(0), 0, 0, ...int32(25), 255, 255, ...int32(-1), 0, 0]),
  message("D", [0, 1], int32(TEXT.length), [...new TextEncoder().encode(TEXT)]),
  message("C", "SELECT 1"),
  message("Z", [73]),
].flat();

export function silentPostgresql({ login }: SilentOptions): SilentPostgresql {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connections = new Set<Deno.Conn>();
  let opened = 0;
  const serve = async (connection: Deno.Conn) => {
    const bytes = new Uint8Array(10_000);
    const next = async () => {
      const length = await connection.read(bytes);
      return length === null ? undefined : new TextDecoder("latin1").decode(bytes.subarray(0, length));
    };
    if (login === "closed") return;
    if (login === "answered" && await next() !== undefined) await connection.write(new Uint8Array(LOGGED_IN));
    for (let text = await next(); text !== undefined; text = await next()) {
      if (login === "answered" && text.startsWith("Q") && !text.includes("silent")) {
        await connection.write(new Uint8Array(ANSWER));
      }
    }
  };
  const serving = (async () => {
    for await (const connection of listener) {
      opened++;
      connections.add(connection);
      serve(connection).catch(() => {}).finally(() => {
        connections.delete(connection);
        connection.close();
      });
    }
  })();
  return {
    port: listener.addr.port,
    get opened() {
      return opened;
    },
    get open() {
      return connections.size;
    },
    async [Symbol.asyncDispose]() {
      listener.close();
      await serving.catch(() => {});
    },
  };
}
