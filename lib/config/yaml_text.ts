/** YAML 1.2 with positions. */
import {
  Alias,
  type Document,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  type YAMLMap,
} from "yaml";
import type { Problem } from "./config_error.ts";

export type Path = readonly (string | number)[];

export interface YamlText {
  /** Undefined if the text is not YAML. */
  readonly value: unknown;
  readonly problems: readonly Problem[];
  /** Of the key at a path; of the part around it if the key is missing. */
  readonly placeOf: (path: Path) => Pick<Problem, "line" | "column">;
}

const HINTS: Readonly<Record<string, string>> = {
  BAD_ALIAS: "Put a text that starts with * in quotes: '*'",
  DUPLICATE_KEY: "Remove one of the two",
};

/**
 * @example
 * IN: a: 1\nb: no → OUT: {value: {a: 1, b: "no"}, problems: [], placeOf: (["b"]) => {line: 2, column: 1}}
 */
export function parseYaml(text: string): YamlText {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, intAsBigInt: true });
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const offsetOf = offsetsIn(document);
  // With a key twice, a file may have other problems, too.
  const hasValue = document.errors.every(({ code }) => code === "DUPLICATE_KEY");
  return {
    value: hasValue ? document.toJS({ reviver: (_key, value) => exact(value) }) : undefined,
    problems: [...document.errors, ...document.warnings].map(({ code, message, pos: [offset] }) => ({
      ...at(offset),
      message: `This is not YAML: ${message}`,
      hint: HINTS[code],
    })),
    placeOf: (path) => at(offsetOf(path)),
  };
}

/** An integer that a number would change is a value of Extended JSON. */
function exact(value: unknown): unknown {
  if (typeof value !== "bigint") return value;
  const isExact = Number.isSafeInteger(Number(value));
  return isExact || BigInt.asIntN(64, value) !== value ? Number(value) : { $numberLong: String(value) };
}

/** Looks up the offsets of keys, or of the part around one that is missing. */
function offsetsIn(document: Document.Parsed): (path: Path) => number {
  const pairs = new WeakMap<object, ReadonlyMap<string, Pair>>();
  const pairsOf = (map: YAMLMap) => {
    const found = pairs.get(map) ?? new Map(map.items.map((pair) => [keyText(pair.key), pair]));
    pairs.set(map, found);
    return found;
  };
  return (path) => {
    let node: unknown = document.contents;
    let offset = offsetAt(node);
    for (const step of path) {
      const parent: unknown = node instanceof Alias ? node.resolve(document) : node;
      const pair = isMap(parent) ? pairsOf(parent).get(`${step}`) : undefined;
      node = isSeq(parent) ? parent.items[Number(step)] : pair?.value;
      offset = offsetAt(pair?.key ?? node) || offset;
    }
    return offset;
  };
}

const keyText = (key: unknown): string => String(isScalar(key) ? key.value : key);

const offsetAt = (node: unknown): number => (node as Node | null)?.range?.[0] ?? 0;
