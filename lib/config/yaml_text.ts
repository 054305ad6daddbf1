/** YAML 1.2 with positions. */
import {
  Alias,
  type Document,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  Scalar,
  visit,
} from "yaml";
import { messageOf } from "../util/errors.ts";

/** The first line and column are 1. */
export interface Problem {
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

export type Path = readonly (string | number)[];

const quoted = (text: string) => `. Put a text that starts with * in quotes: '${text}'`;

const HINTS: Readonly<Record<string, string>> = {
  BAD_ALIAS: quoted("*"),
  DUPLICATE_KEY: ". Remove one of the two",
};

/**
 * The value is undefined if the text is not YAML. A place is that of the key at a path, or of the part that lacks it.
 * @example IN: a: 1\nb: no → OUT: {value: {a: 1, b: "no"}, problems: [], placeOf: (["b"]) => {line: 2, column: 1}}
 */
export function parseYaml(text: string) {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, intAsBigInt: true });
  const at = (offset: number): Pick<Problem, "line" | "column"> => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const problems = [...document.errors, ...document.warnings].map((
    { code, message, pos: [offset] },
  ): Problem => (
    { ...at(offset), message: `This is not YAML: ${message}${HINTS[code] ?? ""}` }
  ));
  // With a key twice, a file may have other problems, too.
  const hasValue = document.errors.every(({ code }) => code === "DUPLICATE_KEY");
  for (const alias of hasValue ? withoutAnchor(document) : []) {
    const { source } = alias;
    const message = `This is an alias, and no &${source} stands before it${quoted(`*${source}`)}`;
    problems.push({ ...at(offsetAt(alias)), message });
  }
  let value: unknown;
  try {
    if (hasValue) value = document.toJS({ reviver: (_key, value) => exact(value) });
  } catch (error) {
    // An alias of a part around it, or too many of them.
    problems.push({ ...at(0), message: `The aliases cannot be resolved: ${messageOf(error)}` });
  }

  function placeOf(path: Path) {
    let node: unknown = document.contents;
    let offset = offsetAt(node);
    for (const step of path) {
      const parent: unknown = node instanceof Alias ? node.resolve(document) : node;
      const pair = isMap(parent) ? parent.items.find(({ key }) => keyText(key) === step) : undefined;
      node = isSeq(parent) ? parent.items[Number(step)] : pair?.value;
      offset = offsetAt(pair?.key ?? node) || offset;
    }
    return at(offset);
  }

  return { value, problems, placeOf };
}

/** Makes texts of aliases such as *_old, so that the rest of the file can be checked. */
function withoutAnchor(document: Document): readonly Alias[] {
  const anchors = new Set<string>();
  const found: Alias[] = [];
  visit(document, {
    Value: (_key, { anchor }) => void (anchor && anchors.add(anchor)),
    Alias(_key, alias) {
      if (anchors.has(alias.source)) return undefined;
      found.push(alias);
      return Object.assign(new Scalar(`*${alias.source}`), { range: alias.range ?? null });
    },
  });
  return found;
}

/** An integer that a number would change is a value of Extended JSON. */
function exact(value: unknown): unknown {
  if (typeof value !== "bigint") return value;
  const isExact = Number.isSafeInteger(Number(value));
  return isExact || BigInt.asIntN(64, value) !== value ? Number(value) : { $numberLong: String(value) };
}

const keyText = (key: unknown): string => String(isScalar(key) ? key.value : key);

const offsetAt = (node: unknown): number => (node as Node | null)?.range?.[0] ?? 0;
