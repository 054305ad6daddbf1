/**
 * Microseconds for a document, split and put into the body of a request, by bytes and by JavaScript strings:
 * `deno run -A tests/split_bench.ts`. Shows the best of many rounds, so that other processes do not count.
 */
import process from "node:process";
import { BSON } from "mongodb";
import { ElementCursor } from "../lib/bson/bson.ts";
import { objectColumn } from "../lib/mapping/column_tree.ts";
import { inferColumns } from "../lib/mapping/field_counts.ts";
import { splitDocument } from "../lib/mapping/split_document.ts";
import { requestBody } from "../lib/sink/connection/http.ts";
import { stringSplit } from "./support/string_split.ts";
import { makeDocument, type Shape } from "../dev/bench/documents.ts";

const SQL = "INSERT";
/** Documents of a round, which takes a few milliseconds. */
const COUNTS: Readonly<Record<Shape, number>> = { small: 500, wide: 40, large: 4 };
const MS_PER_LINE = 3_000;

/** Reads every element of a document and its sub-documents. */
function walk(bytes: Uint8Array, offset = 0): number {
  let count = 0;
  const element = new ElementCursor(bytes, offset);
  while (element.next()) count += element.type === 3 || element.type === 4 ? walk(bytes, element.offset) : 1;
  return count;
}

function microseconds(work: () => unknown): number {
  let best = Infinity;
  for (const end = performance.now() + MS_PER_LINE; performance.now() < end;) {
    const start = performance.now();
    work();
    best = Math.min(best, performance.now() - start);
  }
  return best * 1_000;
}

for (const [shape, count] of Object.entries(COUNTS) as [Shape, number][]) {
  const documents = Array.from({ length: count }, (_, at) => BSON.serialize(makeDocument(shape, at)));
  const columns = inferColumns(documents) ?? objectColumn();
  const oids = documents.map((_, at) => String(at).padStart(24, "0"));
  const rows = documents.map((bytes) => splitDocument(bytes, columns));
  const body = (split: typeof rows) =>
    requestBody(SQL, [oids, { json: split.map(({ data }) => data) }, {
      json: split.map(({ overflow }) => overflow),
    }]);
  const bodyOfStrings = (split: readonly ReturnType<typeof stringSplit>[]) =>
    new TextEncoder().encode(
      JSON.stringify({
        stmt: SQL,
        args: [oids, split.map(({ data }) => data), split.map(({ overflow }) => overflow)],
      }),
    );
  const lines: Readonly<Record<string, () => unknown>> = {
    "split and body by strings": () => bodyOfStrings(documents.map((bytes) => stringSplit(bytes, columns))),
    "split and body by bytes": () => body(documents.map((bytes) => splitDocument(bytes, columns))),
    "split by bytes": () => documents.map((bytes) => splitDocument(bytes, columns)),
    "body by bytes": () => body(rows),
    "BSON.deserialize() and JSON.stringify()": () =>
      documents.map((bytes) => JSON.stringify(BSON.deserialize(bytes))),
    "walk over the elements": () => documents.map((bytes) => walk(bytes)),
  };
  process.stdout.write(`${shape}, ${documents[0]?.length} bytes\n`);
  for (const [what, work] of Object.entries(lines)) {
    process.stdout.write(`${(microseconds(work) / count).toFixed(2).padStart(10)} µs  ${what}\n`);
  }
}
