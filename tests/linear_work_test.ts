/**
 * Work that grows with its input, and not with the square of it: of eight times the input, each part may take three times
 * as long. With the square, it would take eight times as long.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { BSON } from "mongodb";
import { extendedJson, fieldsByName } from "../lib/bson/bson.ts";
import { withoutFields } from "../lib/bson/without_fields.ts";
import { recogniseMaps, shareColumns } from "../lib/mapping/column_shares.ts";
import { additions, type Column, objectColumn } from "../lib/mapping/column_tree.ts";
import { inferColumns } from "../lib/mapping/field_counts.ts";
import { normalizeDocument } from "../lib/mapping/normalize.ts";
import { storedDocument } from "../lib/mapping/stored_document.ts";
import { splitDocument } from "../lib/mapping/split_document.ts";
import { bufferBatches } from "../lib/pipeline/loop/batcher.ts";
import { fullSnapshot, planSnapshot, requeueAll } from "../lib/pipeline/snapshot/snapshot_state.ts";
import type { CausalReader } from "../lib/source/connection/causal_reader.ts";
import type { ChangeBatch } from "../lib/source/stream/change_stream.ts";
import { messageOf } from "../lib/util/errors.ts";
import { createLogger } from "../lib/util/log.ts";
import { maskSecrets, maskUrl } from "../lib/util/mask_url.ts";
import { isEqual, pathDifferences } from "../lib/verify/compare.ts";
import { documentReader } from "./support/quiet_reader.ts";
import { splitText } from "./support/row_text.ts";

const FACTOR = 8;
const MOST = 3 * FACTOR;
const SAMPLES = 5;

interface Case {
  /** The size of the smaller input; the work on it takes a few milliseconds. */
  readonly size: number;
  /** Makes an input of a size, and the work on it. */
  readonly make: (size: number) => () => unknown;
}

/** More names than are cached. */
const NAMES = 5_000;
const SHOP = "shop";
const list = <T>(size: number, item: (at: number) => T): T[] =>
  Array.from({ length: size }, (_, at) => item(at));
const object = (names: readonly string[], column: Column): Column => ({
  kind: "object",
  children: new Map(names.map((name) => [name, column])),
});

/** An array of objects whose keys are data. */
const dataAsKeys = (size: number): Uint8Array =>
  BSON.serialize({ items: list(size, (at) => ({ [`k${at}`]: at })) });

const wide = (size: number): Uint8Array =>
  BSON.serialize(Object.fromEntries(list(size, (at) => [`name${at}`, at % 3 === 0 ? `${at}` : at + 0.5])));

/** Objects in one another, each with a text. */
const deep = (size: number, end: string): string =>
  `{"a":"${"x".repeat(1_000)}","b":`.repeat(size) + JSON.stringify(end) + "}".repeat(size);

const quiet = createLogger({ format: "text", level: "info", write: () => {} });

const reply = (at: number): ChangeBatch => ({
  changes: [{
    namespace: { database: SHOP, collection: "orders" },
    id: { type: 16, bytes: new Uint8Array(4), offset: 0, length: 4 },
    document: null,
    operation: "delete",
  }],
  event: undefined,
  events: 1,
  bytes: 1,
  token: Uint8Array.of(at),
  operationTime: undefined,
  wallTime: undefined,
});

/** A MongoDB whose replies have one document each, of those that are asked for. */
const oneByOne = {
  page: (_: unknown, { pipeline: [{ $match }] }: { pipeline: [{ $match: BSON.Document }] }) => {
    const [_id] = $match._id.$in;
    const document = BSON.serialize({ _id });
    const id = fieldsByName(document).get("_id");
    return Promise.resolve({ documents: [{ id, document }], exhausted: $match._id.$in.length === 1 });
  },
} as unknown as CausalReader;

const CASES: Readonly<Record<string, Case>> = {
  "finding columns of an array of objects whose keys are data": {
    size: NAMES,
    make: (size) => {
      const document = dataAsKeys(size);
      return () => inferColumns([document]);
    },
  },
  "splitting an array of objects whose keys are data": {
    size: NAMES,
    make: (size) => {
      const document = dataAsKeys(size);
      return () => splitDocument(document, objectColumn());
    },
  },
  "finding columns of documents with a new key each": {
    size: NAMES,
    make: (size) => {
      const documents = list(size, (at) => BSON.serialize({ _id: at, [`k${at}`]: 1 }));
      return () => inferColumns(documents);
    },
  },
  "choosing among ever new columns": {
    size: NAMES,
    make: (size) => {
      const wanted = inferColumns([dataAsKeys(size)]) ?? objectColumn();
      return () => {
        const { columns } = shareColumns(objectColumn(), recogniseMaps(wanted, objectColumn()), {
          limit: 1_000,
          room: 990,
        });
        return additions(objectColumn(), columns);
      };
    },
  },
  "splitting a wide document": {
    size: NAMES,
    make: (size) => {
      const document = wide(size);
      const columns = inferColumns([document]) ?? objectColumn();
      return () => [splitDocument(document, columns), splitDocument(document, objectColumn())];
    },
  },
  "splitting a text that is longer in JSON": {
    size: 200_000,
    make: (size) => {
      const document = BSON.serialize({ text: "\u0001".repeat(size) });
      return () => splitDocument(document, objectColumn());
    },
  },
  "leaving fields out of a wide document": {
    size: NAMES,
    make: (size) => {
      const document = wide(size);
      return () => withoutFields(document, ["$a.b", "o.c"]);
    },
  },
  "writing a wide document as Extended JSON": {
    size: 500,
    make: (size) => {
      const document = wide(size);
      return () => extendedJson(document);
    },
  },
  "comparing a wide document with its row": {
    size: NAMES,
    make: (size) => {
      const document = wide(size);
      const row = splitText(document, object(["name1", "name2"], { kind: "double" }));
      return () => isEqual(document, row);
    },
  },
  "normalizing an array of objects": {
    size: NAMES,
    make: (size) => {
      const document = dataAsKeys(size);
      return () => normalizeDocument(document);
    },
  },
  "comparing objects in one another": {
    size: 50,
    make: (size) => {
      const [one, other] = [deep(size, "one"), deep(size, "other")];
      return () => pathDifferences(one, other);
    },
  },
  "splitting a row again with many columns of an array": {
    size: 300,
    make: (size) => {
      const names = list(size, (at) => `k${at}`);
      const columns = object(["items"], {
        kind: "array",
        element: object(names, { kind: "double" }),
      });
      const items = JSON.stringify({ items: names.map((name) => ({ [name]: 1 })) });
      return () => [
        splitDocument(storedDocument({ data: items, overflow: null }, columns), columns),
        splitDocument(storedDocument({ data: "{}", overflow: items }, columns), columns),
      ];
    },
  },
  "masking a text with many colons": {
    size: 250_000,
    make: (size) => () => maskSecrets(`http://x/${"a:".repeat(size)}`),
  },
  "masking a text with many question marks": {
    size: 250_000,
    make: (size) => () => maskUrl(`http://x/${"?".repeat(size)}`),
  },
  "masking a text of secrets": {
    size: 50_000,
    make: (size) => () => maskUrl(`http://x/?${"password".repeat(size)}`),
  },
  "masking a text of URLs": {
    size: 5_000,
    make: (size) => () => messageOf(new Error("at http://user:password@host/?token=x ".repeat(size))),
  },
  "writing a log line with a run of blanks": {
    size: 50_000,
    make: (size) => () =>
      quiet.info(`${" ".repeat(size)}\n${" ".repeat(size)}x`, { error: " ".repeat(size) }),
  },
  "joining replies to a batch": {
    size: 2_500,
    make: (size) => async () => {
      const replies = (async function* () {
        for (let at = 0; at < size; at++) yield await Promise.resolve(reply(at));
      })();
      const batches = bufferBatches(replies, { batchSize: size, batchBytes: size });
      for await (const _ of batches) await new Promise((done) => setTimeout(done));
    },
  },
  "looking documents up that come one by one": {
    size: 1_000,
    make: (size) => {
      const reader = documentReader(oneByOne, { replyBytes: 1 });
      const ids = list(size, (_id) => fieldsByName(BSON.serialize({ _id })).get("_id")).filter((id) =>
        id !== undefined
      );
      return async () => {
        for await (const _ of reader.lookUp({ database: SHOP, collection: "orders" }, ids));
      };
    },
  },
  "planning a snapshot of collections whose tables are gone": {
    size: 2_500,
    make: (size) => {
      const collections = list(size, (at) => ({ database: SHOP, collection: `c${at}` }));
      return () => requeueAll(planSnapshot(fullSnapshot({ removesStale: true }), collections), collections);
    },
  },
};

/** The processor time that the work takes, in microseconds; other programs do not count. */
async function cost(work: () => unknown): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return Math.max(user + system, 1);
}

for (const [what, { size, make }] of Object.entries(CASES)) {
  Deno.test(`the work of ${what} grows no faster than the input`, async () => {
    const [small, large] = [make(size), make(FACTOR * size)];
    await small(); // Compiles it.
    // A collection of garbage may fall into any sample.
    const costs: (readonly [number, number])[] = [];
    const least = (which: 0 | 1): number => Math.min(...costs.map((each) => each[which]));
    do costs.push([await cost(small), await cost(large)]); while (
      costs.length < SAMPLES && least(1) >= MOST * least(0)
    );
    assert.ok(least(1) < MOST * least(0), `${least(0)} µs became ${least(1)} µs`);
  });
}
