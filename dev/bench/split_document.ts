/**
 * Documents a second through `splitDocument()` in one thread, beside what the same documents take at the least:
 *
 *     deno run -A dev/bench/split_document.ts [documents]
 */
import { BSON } from "mongodb";
import { elements } from "../../lib/bson/bson.ts";
import { inferColumnsOfAll } from "../../lib/mapping/column_tree.ts";
import { splitDocument } from "../../lib/mapping/split_document.ts";

const COUNT = Number(Deno.args[0] ?? 100_000);
const ROUNDS = 5;

const documents = Array.from({ length: COUNT }, (_, index) =>
  BSON.serialize({
    _id: new BSON.ObjectId(),
    id: (index % 2 ** 16).toString(16),
    data: { temperature: new BSON.Double(index % 4_000 / 100), humidity: new BSON.Double(84.84) },
    meta: { timestamp: new Date(1_720_739_862_000 + index), device: "foo" },
  }));

const columns = inferColumnsOfAll(documents.slice(0, 100)) ??
  { kind: "object" as const };

/** Touches every element of a document and of those inside it. */
function walk(bytes: Uint8Array, offset: number): number {
  let count = 0;
  for (const [type, , , start] of elements(bytes, offset)) {
    count += type === 3 || type === 4 ? walk(bytes, start) : 1;
  }
  return count;
}

const WAYS: Readonly<Record<string, (document: Uint8Array) => unknown>> = {
  "splitDocument()": (document) => splitDocument(document, columns).data,
  "BSON.deserialize and JSON.stringify": (document) => JSON.stringify(BSON.deserialize(document)),
  "bare walk of the elements": (document) => walk(document, 0),
};

/** The best of several rounds, in documents a second; the ways take turns, so that noise meets all of them. */
const best = new Map<string, number>();
for (let round = 0; round < ROUNDS; round++) {
  for (const [name, convert] of Object.entries(WAYS)) {
    const started = performance.now();
    for (const document of documents) convert(document);
    const rate = COUNT / (performance.now() - started) * 1_000;
    best.set(name, Math.max(rate, best.get(name) ?? 0));
  }
}

const own = best.get("splitDocument()") ?? 0;
const lines = [...best].map(([name, rate]) =>
  `${Math.round(rate).toLocaleString("en").padStart(12)} documents/s  ${name}` +
  (name === "splitDocument()" ? "" : ` (splitDocument() has ${Math.round(own / rate * 100)} % of it)`)
);
Deno.stdout.writeSync(new TextEncoder().encode(`${lines.join("\n")}\n`));
