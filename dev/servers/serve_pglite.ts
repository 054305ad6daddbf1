import type { PGlite } from "@electric-sql/pglite";
import { type FrontendMessage, frontendMessages } from "./frontend_messages.ts";

export interface PgliteServer extends AsyncDisposable {
  readonly port: number;
}

/** Requests that come before the first message, by their code; both for encryption are answered N, for no. */
const ENCRYPTION = new Set([80877103, 80877104]);
const CANCEL = 80877102;
const NO = new TextEncoder().encode("N");

const SYNC = Uint8Array.of(0x53, 0, 0, 0, 4);
const ROLLBACK = new TextEncoder().encode("Q\0\0\0\x0dROLLBACK\0");

/** How the answer to a whole exchange ends when no transaction is open: ReadyForQuery. */
const READY = "Z\0\0\0\x05I";

/**
 * Lets many clients use a PGlite, which is one session only: they take turns, each from the first message of an exchange
 * until the server is ready for the next. Between two messages of an exchange nobody else gets a word in; a statement
 * would else be given the parameters of another client's.
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
      for await (const message of frontendMessages(connection.readable)) {
        if (message.kind === "X" || codeOf(message) === CANCEL) break;
        if (ENCRYPTION.has(codeOf(message) ?? 0)) {
          await write(connection, NO);
          continue;
        }
        endTurn ??= await takeTurn();
        const parts = await answer(message.bytes);
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
      // A client that has gone needs no answer.
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

const codeOf = ({ kind, bytes }: FrontendMessage): number | undefined =>
  kind === undefined ? new DataView(bytes.buffer, bytes.byteOffset).getInt32(4) : undefined;

function isReady(parts: readonly Uint8Array[]): boolean {
  const last = parts.at(-1)?.subarray(-READY.length) ?? new Uint8Array();
  return String.fromCharCode(...last) === READY;
}

async function write(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}

function close(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error; // It is closed already.
  }
}
