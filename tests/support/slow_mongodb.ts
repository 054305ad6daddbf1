/** A proxy that makes MongoDB slow: each reply waits for some milliseconds. */
import { setTimeout as delay } from "node:timers/promises";

/** Of a message: length, its own id, the id of what it answers, kind. */
const HEADER_BYTES = 16;
const OP_MSG = 2_013;
const BSON_STRING = 2;
/** Flags, and the kind of the first section; then the length and the first type of the command's document. */
const NAME_OFFSET = HEADER_BYTES + 4 + 1 + 4 + 1;

export interface SlowMongodb extends AsyncDisposable {
  readonly url: string;
  /** The most counted commands that waited for their replies at once. */
  readonly mostAtOnce: number;
}

export interface SlowOptions {
  readonly milliseconds: number;
  /** The name of the commands that are counted, and their collections. */
  readonly counted: { readonly command: string; readonly collections: readonly string[] };
  /** The first of these have no reply before so many of them wait at once. @default 1 */
  readonly atOnce?: number;
}

/** @param url of a replica set of one member */
export function slowMongodb(url: string, { milliseconds, counted, atOnce = 1 }: SlowOptions): SlowMongodb {
  const { hostname, port } = new URL(url);
  const upstream = { hostname, port: Number(port || 27_017) };
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connections = new Set<Deno.TcpConn>();
  const waiting = new Set<string>();
  const enough = Promise.withResolvers<void>();
  let [most, connection] = [0, 0];

  const forward = async (client: Deno.TcpConn) => {
    const server = await Deno.connect(upstream);
    const id = connection++;
    for (const each of [client, server]) connections.add(each);
    const requests = async () => {
      for await (const message of messages(client)) {
        const { name, collection } = commandOf(message);
        if (name === counted.command && counted.collections.includes(collection)) {
          waiting.add(`${id} ${idOf(message)}`);
          most = Math.max(most, waiting.size);
          if (most >= atOnce) enough.resolve();
        }
        await writeAll(server, message);
      }
    };
    const replies = async () => {
      for await (const message of messages(server)) {
        const answered = `${id} ${answeredBy(message)}`;
        if (waiting.has(answered)) await enough.promise;
        await delay(milliseconds);
        waiting.delete(answered);
        await writeAll(client, message);
      }
    };
    // A connection that breaks off is closed on the other side too.
    await Promise.any([requests(), replies()].map((each) => each.catch(() => {})));
    for (const each of [client, server]) close(each, connections);
  };
  const accepting = (async () => {
    for await (const client of listener) forward(client).catch(() => close(client, connections));
  })();
  const { port: own } = listener.addr as Deno.NetAddr;
  return {
    url: `mongodb://127.0.0.1:${own}/?directConnection=true`,
    get mostAtOnce() {
      return most;
    },
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting;
      for (const each of connections) close(each, connections);
    },
  };
}

/** A connection whose `readable` has ended is closed already. */
function close(connection: Deno.TcpConn, connections: Set<Deno.TcpConn>): void {
  if (!connections.delete(connection)) return;
  try {
    connection.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}

async function* messages(connection: Deno.TcpConn): AsyncGenerator<Uint8Array> {
  let rest = new Uint8Array();
  for await (const part of connection.readable) {
    const bytes = new Uint8Array(rest.length + part.length);
    bytes.set(rest);
    bytes.set(part, rest.length);
    rest = bytes;
    while (rest.length >= HEADER_BYTES && rest.length >= int32(rest, 0)) {
      yield rest.subarray(0, int32(rest, 0));
      rest = rest.subarray(int32(rest, 0));
    }
  }
}

const int32 = (bytes: Uint8Array, offset: number): number =>
  new DataView(bytes.buffer, bytes.byteOffset).getInt32(offset, true);

const idOf = (message: Uint8Array): number => int32(message, 4);
const answeredBy = (message: Uint8Array): number => int32(message, 8);

/** A command's name is its first field, whose value is the name of the collection if it has one. */
function commandOf(message: Uint8Array): { name: string; collection: string } {
  if (int32(message, 12) !== OP_MSG) return { name: "", collection: "" };
  const text = (start: number) =>
    new TextDecoder().decode(message.subarray(start, message.indexOf(0, start)));
  const name = text(NAME_OFFSET);
  const isText = message[NAME_OFFSET - 1] === BSON_STRING;
  return { name, collection: isText ? text(NAME_OFFSET + name.length + 1 + 4) : "" };
}

async function writeAll(connection: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) written += await connection.write(bytes.subarray(written));
}
