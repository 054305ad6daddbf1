/** MongoDB in memory: the collections of a database, their documents `{_id}`, and a change stream. */
import { BSON } from "mongodb";
import { fieldsByName } from "../../lib/bson/bson.ts";
import type { ChangeBatch } from "../../lib/source/stream/change_stream.ts";
import type { Namespace } from "../../lib/util/namespace.ts";
import { type DatabaseInMemory, isAway } from "./database_in_memory.ts";
import type { FakeClock } from "./fake_clock.ts";

export const SECOND = 1_000;
/** Documents of one chunk of a snapshot. */
const CHUNK = 5;

export function mongodbInMemory({ database, collections, clock, signal }: {
  readonly database: DatabaseInMemory;
  /** Documents of each collection. */
  readonly collections: ReadonlyMap<string, number>;
  readonly clock: FakeClock;
  /** Ends the streams. */
  readonly signal: AbortSignal;
}) {
  let ordinal = 0;
  const time = () => new BSON.Timestamp({ t: Math.floor(clock.time / SECOND), i: ++ordinal });
  const tokenOf = ({ t, i }: BSON.Timestamp) =>
    BSON.serialize({ _data: `82${t.toString(16).padStart(8, "0")}${i.toString(16).padStart(8, "0")}` });
  let readAt = time();

  const waiting: ChangeBatch[] = [];
  let arrived = Promise.withResolvers<void>();
  let lost: Error | undefined;
  const push = (batch: Partial<ChangeBatch>) => {
    const operationTime = time();
    const token = tokenOf(operationTime);
    waiting.push({
      changes: [],
      event: undefined,
      events: 0,
      bytes: 0,
      token,
      operationTime,
      wallTime: undefined,
      ...batch,
    });
    wake();
  };
  const wake = () => {
    arrived.resolve();
    arrived = Promise.withResolvers();
  };
  async function* stream(left: AbortSignal): AsyncGenerator<ChangeBatch> {
    const isOver = () => signal.aborted || left.aborted;
    const over = new Promise<void>((resolve) => left.addEventListener("abort", () => resolve()));
    const id = Symbol();
    if (lost) waiting.splice(0);
    lost = undefined;
    const next = async () => {
      using _question = database.outages.asked();
      await Promise.race([database.answer("getMore"), over]);
      while (waiting.length === 0 && !isOver() && !lost) await Promise.race([arrived.promise, over]);
      await Promise.race([database.answer("reply"), over]);
      if (lost) throw lost;
      return waiting.shift();
    };
    try {
      while (!isOver()) {
        try {
          const batch = await next();
          database.outages.answered(id);
          if (batch) yield batch;
        } catch (error) {
          if (!isAway(error)) throw error;
          database.outages.failed(id, error);
          await clock.wait(SECOND);
        }
      }
    } finally {
      database.outages.gaveUp(id);
    }
  }

  const causalReader = {
    get time() {
      return readAt;
    },
    after: () => {},
    exists: async ({ collection }: Namespace) => {
      await database.ask("exists");
      return collections.has(collection);
    },
    read: async (work: (client: unknown, options: object) => unknown) => {
      await database.ask("read");
      readAt = time();
      return await work(client, {});
    },
  };
  const client = {
    db: () => ({
      listCollections: () => ({
        toArray: () => Promise.resolve([...collections.keys()].map((name) => ({ name }))),
      }),
      command: () => Promise.resolve({}),
      collection: (name: string) => ({
        estimatedDocumentCount: () => Promise.resolve(collections.get(name) ?? 0),
      }),
    }),
  };
  const reader = {
    chunk: async (
      { collection }: Namespace,
      { after }: { readonly after: Uint8Array | null },
      { atMost = Infinity }: { readonly atMost?: number } = {},
    ) => {
      await database.ask("chunk");
      readAt = time();
      const from = after === null ? 0 : BSON.deserialize(after)._id + 1;
      const count = collections.get(collection) ?? 0;
      const upTo = Math.min(count, from + Math.min(CHUNK, atMost));
      const documents = Array.from({ length: upTo - from }, (_, at) => keyed(from + at));
      return {
        documents,
        last: upTo > from ? BSON.serialize({ _id: upTo - 1 }) : after,
        seen: documents.length,
        done: upTo === count,
      };
    },
    async *lookUp(_namespace: Namespace, ids: readonly unknown[]) {
      await database.ask("look up");
      readAt = time();
      yield ids.map((id) => ({ id, document: null }));
    },
    keysOf: () => Promise.resolve(new Set<string>()),
    keysAmong: () => Promise.resolve([]),
  };
  return {
    causalReader,
    reader,
    stream,
    push,
    wake,
    time,
    tokenOf,
    /** Whether no batch waits. */
    get isIdle() {
      return waiting.length === 0;
    },
    /** The stream fails once. */
    lose(error: Error) {
      lost = error;
      wake();
    },
  };
}

export function keyed(_id: number) {
  const document = BSON.serialize({ _id });
  const id = fieldsByName(document).get("_id");
  if (!id) throw new Error("No _id");
  return { id, document };
}
