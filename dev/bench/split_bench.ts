/** Splitting of documents, beside decoding them and walking over them: `deno bench -A dev/bench/split_bench.ts`. */
import { BSON } from "mongodb";
import { ElementCursor } from "../../lib/bson/bson.ts";
import { inferDocumentColumns } from "../../lib/mapping/column_tree.ts";
import { splitDocument } from "../../lib/mapping/split_document.ts";
import { makeDocument } from "./documents.ts";

const COUNT = 1_000;

/** Reads every element of a document and its sub-documents. */
function walk(bytes: Uint8Array, offset = 0): number {
  let count = 0;
  const element = new ElementCursor(bytes, offset);
  while (element.next()) {
    count += element.type === 3 || element.type === 4 ? walk(bytes, element.offset) : 1;
  }
  return count;
}

for (const shape of ["small", "wide"] as const) {
  const documents = Array.from({ length: COUNT }, (_, at) => BSON.serialize(makeDocument(shape, at)));
  const columns = inferDocumentColumns(BSON.serialize(makeDocument(shape, 0))) ?? { kind: "object" };
  const group = `${COUNT} ${shape} documents`;
  const bench = (name: string, convert: (bytes: Uint8Array) => unknown, baseline = false) =>
    Deno.bench(name, { group, baseline }, () => documents.forEach((bytes) => void convert(bytes)));
  bench("splitDocument()", (bytes) => splitDocument(bytes, columns), true);
  bench("BSON.deserialize() and JSON.stringify()", (bytes) => JSON.stringify(BSON.deserialize(bytes)));
  bench("walk over the elements", (bytes) => walk(bytes));
}
