import type { PGlite } from "../deps.ts";

export interface PgliteServer extends AsyncDisposable {
  readonly port: number;
}

/**
 * A message of a client.
 *
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html
 */
interface Message {
  /** Its letter, or the code of a message without one: the first of a connection. */
  readonly kind: string | number;
  readonly bytes: Uint8Array;
}

/** Codes of the requests for encryption. */
const ENCRYPTION: readonly (string | number)[] = [80877103, 80877104];
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
export function servePglite(db: PGlite): PgliteServer {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connections = new Set<Deno.Conn>();
  let turns: Promise<unknown> = Promise.resolve();

  const takeTurn = async (): Promise<() => void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const before = turns;
    turns = promise;
    await before;
    return resolve;
  };

  const answer = async (message: Uint8Array): Promise<Uint8Array[]> => {
    const parts: Uint8Array[] = [];
    await db.execProtocolRawStream(message, { onRawData: (data) => parts.push(data.slice()) });
    return parts;
  };

  const serve = async (connection: Deno.Conn): Promise<void> => {
    let endTurn: (() => void) | undefined;
    try {
      for await (const { kind, bytes } of messagesOf(connection)) {
        if (kind === TERMINATE || kind === CANCEL) break;
        if (ENCRYPTION.includes(kind)) {
          await write(connection, NO_ENCRYPTION);
          continue;
        }
        endTurn ??= await takeTurn();
        const parts = await answer(bytes);
        if (isReady(parts)) {
          endTurn();
          endTurn = undefined;
        }
        for (const part of parts) await write(connection, part);
      }
    } finally {
      if (endTurn) {
        await answer(SYNC);
        await answer(ROLLBACK);
        endTurn();
      }
    }
  };

  const accept = async (): Promise<void> => {
    for await (const connection of listener) {
      connections.add(connection);
      connection.setNoDelay?.(true);
      // A client that has disconnected needs no answer.
      serve(connection).catch(() => {}).finally(() => {
        connections.delete(connection);
        close(connection);
      });
    }
  };
  const accepting = accept();
  return {
    port: listener.addr.port,
    async [Symbol.asyncDispose]() {
      listener.close();
      for (const connection of connections) close(connection);
      await accepting;
    },
  };
}

async function* messagesOf(connection: Deno.Conn): AsyncGenerator<Message, undefined> {
  let isFirst = true;
  for (;;) {
    const head = await read(connection, isFirst ? 4 : 5);
    // The length counts its own four bytes.
    const rest = head && await read(connection, intAt(head, head.length - 4) - 4);
    if (!rest) return;
    const kind = isFirst ? intAt(rest, 0) : String.fromCharCode(head[0] ?? 0);
    isFirst &&= ENCRYPTION.includes(kind);
    const bytes = new Uint8Array(head.length + rest.length);
    bytes.set(head);
    bytes.set(rest, head.length);
    yield { kind, bytes };
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

async function write(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}

const intAt = (bytes: Uint8Array, offset: number): number =>
  new DataView(bytes.buffer, bytes.byteOffset).getInt32(offset);

function isReady(parts: readonly Uint8Array[]): boolean {
  const last = parts.at(-1)?.subarray(-READY.length) ?? new Uint8Array();
  return String.fromCharCode(...last) === READY;
}

function close(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error; // It is closed.
  }
}
