/** Shows one write and the row that results from it, side by side. */
import { inspect } from "node:util";
import { BSON } from "mongodb";
import { type Json, jsonText, parseJson } from "../../lib/util/lossless_json.ts";
import { normalizeDocument, normalizeRow } from "../../lib/mapping/normalize.ts";
import { poll } from "./poll.ts";
import type { Screen } from "./screen.ts";
import type { SeenDocument, SeenRow, Sides } from "./sides.ts";
import type { Step } from "./steps.ts";
import { textTable } from "../../lib/util/text.ts";

interface Seen {
  readonly document: SeenDocument | undefined;
  readonly row: SeenRow | undefined;
}

export interface ShowStepOptions {
  readonly sides: Sides;
  readonly screen: Screen;
  readonly signal: AbortSignal;
}

/** @throws UserError when the row does not become equal to the document */
export async function showStep(step: Step, { sides, screen, signal }: ShowStepOptions): Promise<void> {
  const { collection, command, title } = step;
  const before = (await sides.documents(collection, { _id: step._id }))[0];
  await step.write(sides.collection(collection));
  const written = performance.now();
  const document = (await sides.documents(collection, { _id: step._id }))[0];
  const oid = (document ?? before)?.oid ?? "";
  const row = await poll(async () => {
    const seen = await sides.row(collection, oid);
    return isOf(document, seen) ? { seen } : undefined;
  }, { signal, what: `the row of ${command}` });
  const elapsed = Math.max(1, Math.round(performance.now() - written));
  const types = await sides.columnTypes(collection);
  const note = step.note?.[sides.sink];
  screen.print(
    "",
    `${screen.strong(title)} (${document ? "in the table" : "gone from the table"} after ${elapsed} ms)`,
    ...indented([screen.faint(`> ${command}`)]),
    ...indented(
      textTable({
        header: ["field", "document in MongoDB", `row in ${sides.sink}`, "in", "column"],
        rows: cells({ document, row: row.seen }, types),
      }, screen.width - INDENT.length).map((line, at) => at === 0 ? screen.strong(line) : line),
    ),
    ...indented(note ? [screen.faint(note)] : []),
  );
}

const INDENT = "  ";
const indented = (lines: readonly string[]): string[] => lines.map((line) => INDENT + line);

const isOf = (document: SeenDocument | undefined, row: SeenRow | undefined): boolean =>
  document
    ? row !== undefined && normalizeRow(row.data, row.overflow) === normalizeDocument(document.bytes)
    : row === undefined;

/** A field that is partly in `overflow` has two lines. */
function cells({ document, row }: Seen, types: ReadonlyMap<string, string>): string[][] {
  if (!document) return [["_id", "no document", "no row"]];
  const values = BSON.deserialize(document.bytes, { promoteValues: false, bsonRegExp: true });
  const parts = { data: members(row?.data), overflow: members(row?.overflow) };
  return Object.entries(values).flatMap(([name, value]) =>
    Object.entries(parts).flatMap(([part, values]) => {
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
