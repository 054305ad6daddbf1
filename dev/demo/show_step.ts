/** Shows one write and the resulting row, side by side. */
import { inspect } from "node:util";
import { BSON } from "mongodb";
import { normalizeDocument, normalizeRow } from "../../lib/mapping/normalize.ts";
import { type Json, jsonText, parseJson } from "../../lib/util/lossless_json.ts";
import { textTable } from "../../lib/util/text.ts";
import type { Screen } from "./screen.ts";
import type { SeenDocument, SeenRow, Sides } from "./sides.ts";
import type { Step } from "./steps.ts";

/** @throws UserError when the row does not become equal to the document */
export async function showStep(step: Step, sides: Sides, screen: Screen): Promise<void> {
  const { collection, command, title, _id } = step;
  const before = await sides.document(collection, _id);
  await step.write(sides.collection(collection));
  const written = performance.now();
  const document = await sides.document(collection, _id);
  const oid = (document ?? before)?.oid ?? "";
  let row: SeenRow | undefined;
  await sides.until(async () => {
    row = await sides.row(collection, oid);
    return isEqual(document, row);
  }, `The row of ${command}`);
  const elapsed = Math.max(1, Math.round(performance.now() - written));
  const table = {
    header: ["field", "document in MongoDB", `row in ${sides.sink}`, "in", "column"],
    rows: cells(document, row, await sides.columnTypes(collection)),
  };
  const note = step.note?.[sides.sink];
  screen.print(
    "",
    `${screen.strong(title)} (${document ? "in the table" : "deleted from the table"} after ${elapsed} ms)`,
    ...[
      screen.faint(`> ${command}`),
      ...textTable(table, screen.width - 2).map((line, at) => at === 0 ? screen.strong(line) : line),
      ...note ? [screen.faint(note)] : [],
    ].map((line) => `  ${line}`),
  );
}

const isEqual = (document: SeenDocument | undefined, row: SeenRow | undefined): boolean =>
  document
    ? row !== undefined && normalizeRow(row.data, row.overflow) === normalizeDocument(document.bytes)
    : row === undefined;

/** A field that is split between `data` and `overflow` takes two lines. */
function cells(
  document: SeenDocument | undefined,
  row: SeenRow | undefined,
  types: ReadonlyMap<string, string>,
): string[][] {
  if (!document) return [["_id", "no document", "no row"]];
  const values = BSON.deserialize(document.bytes, { promoteValues: false, bsonRegExp: true });
  const parts = Object.entries({ data: members(row?.data), overflow: members(row?.overflow) });
  return Object.entries(values).flatMap(([name, value]) =>
    parts.flatMap(([part, values]) => {
      const json = values.get(name);
      return json === undefined ? [] : [[jsonText(json), part]];
    }).map(([json = "", part = ""], at) =>
      at === 0 ? [name, notation(value), json, part, types.get(name) ?? ""] : ["", "", json, part, ""]
    )
  );
}

const members = (json: string | null | undefined): ReadonlyMap<string, Json> => {
  const value = parseJson(json ?? "{}");
  return value instanceof Map ? value : new Map();
};

/** @example IN: Long(7) → OUT: Long('7'); IN: Int32(7) → OUT: Int32(7) */
const notation = (value: unknown): string =>
  inspect(value, { breakLength: Infinity, depth: Infinity }).replaceAll(/\bnew (?=[A-Z]\w*\()/g, "");
