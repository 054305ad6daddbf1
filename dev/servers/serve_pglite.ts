import { Semaphore } from "../../lib/util/concurrency.ts";
import type { PGlite } from "../deps.ts";

/** Codes of the requests for encryption. */
const ENCRYPTION: readonly number[] = [80877103, 80877104];
const NO_ENCRYPTION = new TextEncoder().encode("N");
const CANCEL = 80877102;
const TERMINATE = "X";
const SYNC = Uint8Array.of(0x53, 0, 0, 0, 4);
const ROLLBACK = new TextEncoder().encode("Q\0\0\0\x0dROLLBACK\0");
/** ReadyForQuery, without an open transaction. */
const READY = "Z\0\0\0\x05I";

/**
 * Serves many clients with a PGlite, which has one session. Clients take turns: a turn lasts from the first message of an
 * exchange to ReadyForQuery, so that the messages of two clients are never mixed.
 */
export function servePglite(db: PGlite) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connections = new Set<Deno.Conn>();
  const turns = new Semaphore(1);

  const answer = async (message: Uint8Array): Promise<Uint8Array[]> => {
    const parts: Uint8Array[] = [];
    await db.execProtocolRawStream(message, { onRawData: (data) => parts.push(data.slice()) });
    return parts;
  };

  /** @returns the last part of the answer */
  const exchange = async (
    first: Uint8Array,
    connection: Deno.Conn,
    messages: AsyncIterator<Uint8Array, undefined>,
  ): Promise<Uint8Array[]> => {
    let isDone = false;
    try {
      for (let message: Uint8Array | undefined = first; message; message = (await messages.next()).value) {
        const parts = await answer(message);
        isDone = isReady(parts);
        if (isDone) return parts;
        await write(connection, parts);
      }
      return [];
    } finally {
      if (!isDone) {
        await answer(SYNC);
        await answer(ROLLBACK);
      }
    }
  };

  const serve = async (connection: Deno.Conn): Promise<void> => {
    const messages = messagesOf(connection);
    for await (const first of messages) {
      await write(connection, await turns.run(() => exchange(first, connection, messages)));
    }
  };

  const accept = async (): Promise<void> => {
    for await (const connection of listener) {
      connections.add(connection);
      connection.setNoDelay?.(true);
      // A client that has disconnected needs no answer.
      serve(connection).catch(() => {}).finally(() => {
        connections.delete(connection);
        connection[Symbol.dispose]();
      });
    }
  };
  const accepting = accept();
  return {
    port: listener.addr.port,
    async [Symbol.asyncDispose]() {
      listener.close();
      for (const connection of connections) connection[Symbol.dispose]();
      await accepting;
    },
  };
}

/**
 * Yields the messages of a client, until it disconnects, and refuses encryption.
 *
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html
 */
async function* messagesOf(connection: Deno.Conn): AsyncGenerator<Uint8Array, undefined> {
  let isFirst = true;
  for (;;) {
    const head = await read(connection, isFirst ? 4 : 5);
    // The length counts its own four bytes.
    const rest = head && await read(connection, intAt(head, head.length - 4) - 4);
    if (!rest || !isFirst && String.fromCharCode(head[0] ?? 0) === TERMINATE) return;
    const code = isFirst ? intAt(rest, 0) : 0;
    if (code === CANCEL) return;
    if (ENCRYPTION.includes(code)) {
      await write(connection, [NO_ENCRYPTION]);
      continue;
    }
    isFirst = false;
    const message = new Uint8Array(head.length + rest.length);
    message.set(head);
    message.set(rest, head.length);
    yield message;
  }
}

/** @returns undefined if the connection ends before */
async function read(connection: Deno.Conn, length: number): Promise<Uint8Array | undefined> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const count = await connection.read(bytes.subarray(at));
    if (count === null) return undefined;
    at += count;
  }
  return bytes;
}

async function write(connection: Deno.Conn, parts: readonly Uint8Array[]): Promise<void> {
  for (const part of parts) {
    for (let at = 0; at < part.length;) at += await connection.write(part.subarray(at));
  }
}

const intAt = (bytes: Uint8Array, offset: number): number =>
  new DataView(bytes.buffer, bytes.byteOffset).getInt32(offset);

const isReady = (parts: readonly Uint8Array[]): boolean =>
  String.fromCharCode(...parts.at(-1)?.subarray(-READY.length) ?? []) === READY;
