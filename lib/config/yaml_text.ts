/** YAML 1.2 with positions. */
import { Alias, type Document, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from "yaml";
import { messageOf } from "../util/errors.ts";

export interface Place {
  /** From 1. */
  readonly line: number;
  readonly column: number;
}

/** A place, and what is wrong there. */
export interface Fault extends Place {
  readonly message: string;
  readonly hint: string | undefined;
}

export type Path = readonly (string | number)[];

export interface YamlText {
  readonly value: unknown;
  readonly faults: readonly Fault[];
  /** Of the key at a path, or of its value; the place of its parent if there is none. */
  readonly placeOf: (path: Path, part?: "key" | "value") => Place;
}

const HINTS: Readonly<Record<string, string>> = {
  BAD_ALIAS: "Put a text that starts with * in quotes: '*'",
  DUPLICATE_KEY: "Each key may be given once. Remove one of them",
  TAB_AS_INDENT: "Indent with spaces",
  BAD_INDENT: "Keys of one mapping start in the same column",
};

/**
 * @example
 * IN: a: 1\nb: no → OUT: {value: {a: 1, b: "no"}, faults: [], placeOf: (["b"]) => {line: 2, column: 1}}
 */
export function parseYaml(text: string): YamlText {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, intAsBigInt: true });
  const at = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const faults = [...document.errors, ...document.warnings].map((
    { code, message, pos: [offset] },
  ): Fault => ({
    ...at(offset),
    message: `This is not valid YAML: ${message}`,
    hint: HINTS[code],
  }));
  // A file with a key twice has a content, too, and perhaps more faults.
  const hasContent = document.errors.every(({ code }) => code === "DUPLICATE_KEY");
  const { value, more } = hasContent ? contentOf(document) : { value: undefined, more: [] };
  return {
    value,
    faults: [...faults, ...more],
    placeOf: (path, part = "key") => at(offsetOf(document, path, part)),
  };
}

function contentOf(document: Document.Parsed): { readonly value: unknown; readonly more: readonly Fault[] } {
  try {
    return { value: document.toJS({ reviver: (_key, value) => exact(value) }), more: [] };
  } catch (error) {
    const hint = "Repeat the values instead of using aliases";
    return { value: undefined, more: [{ line: 1, column: 1, message: messageOf(error), hint }] };
  }
}

/** An integer that a number would change is a value of Extended JSON. */
function exact(value: unknown): unknown {
  if (typeof value !== "bigint") return value;
  const isExact = Number.isSafeInteger(Number(value));
  return isExact || BigInt.asIntN(64, value) !== value ? Number(value) : { $numberLong: String(value) };
}

function offsetOf(document: Document.Parsed, path: Path, part: "key" | "value"): number {
  let node: unknown = document.contents;
  let [key, value] = [0, offsetAt(node)];
  for (const step of path) {
    const parent: unknown = node instanceof Alias ? node.resolve(document) : node;
    if (isSeq(parent)) {
      node = parent.items[Number(step)];
      key = value = offsetAt(node) || key;
    } else {
      const pair = isMap(parent)
        ? parent.items.find((each) => String(isScalar(each.key) ? each.key.value : each.key) === `${step}`)
        : undefined;
      if (!pair) break;
      node = pair.value;
      key = offsetAt(pair.key) || key;
      value = offsetAt(node) || key;
    }
  }
  return part === "key" ? key : value;
}

const offsetAt = (node: unknown): number => (node as Node | null)?.range?.[0] ?? 0;
