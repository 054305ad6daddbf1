/** The texts for what the form of `relay.yaml` refuses. */
import type * as v from "valibot";
import { similarName } from "../util/text.ts";
import { PROCESS } from "./options.ts";
import { COLLECTION, CRATEDB, MONGODB } from "./relay_options.ts";
import { DEFAULTS, OF_STREAM, SERVERS } from "./relay_schema.ts";
import type { Path } from "./yaml_text.ts";

const names = (...tables: readonly object[]): readonly string[] =>
  tables.flatMap((each) => Object.keys(each));

/** The keys of each part of the file. */
const PARTS = {
  "the top of the file": ["version", ...names(SERVERS, PROCESS), "defaults", "streams"],
  "a stream": [...names(SERVERS, OF_STREAM), "collections"],
  "defaults": names(DEFAULTS),
  "collections": names(COLLECTION),
  "mongodb": names(SERVERS.mongodb),
  "cratedb": names(SERVERS.cratedb),
};

/** The part that a path leads to; undefined for a secret. @example IN: ["streams", "shop"] → OUT: a stream */
function partOf(path: Path): keyof typeof PARTS | undefined {
  const [first, ...rest] = path[0] === "streams" ? path.slice(2) : path;
  if (first === undefined) return path.length === 0 ? "the top of the file" : "a stream";
  if (rest.length > (first === "collections" ? 1 : 0)) return undefined;
  return Object.keys(PARTS).find((each): each is keyof typeof PARTS => each === first);
}

/** What is wrong, of a problem in a file. */
export interface FaultText {
  readonly message: string;
  readonly hint: string | undefined;
}

/** @example IN: an issue of the key `onDrp` in a collection → OUT: {message: "Unknown key: onDrp", hint: "Did you mean onDrop?"} */
export function faultText(issue: v.BaseIssue<unknown>, path: Path): FaultText {
  const key = String(path.at(-1) ?? "The file");
  const parent = path.slice(0, -1);
  if (issue.expected === "never") {
    return { message: `Unknown key: ${key}`, hint: hintFor(key, partOf(parent)) };
  }
  if (issue.received === "undefined") {
    return { message: `${key} is missing`, hint: key === "version" ? "Add version: 1" : undefined };
  }
  if (issue.type === "min_entries") return { hint: "Add a stream", message: `${key} is empty` };
  return {
    message: `${key} is not ${expected(issue, path)}: current value is ${JSON.stringify(issue.input)}`,
    hint: undefined,
  };
}

/** The value may be of a secret: it is one of a text or a mapping, and is not shown. */
export const SECRET_FAULT = "is neither a text, nor { env: VARIABLE }, nor { file: PATH }";

const KINDS: Readonly<Record<string, string>> = {
  unknown: "a mapping of settings",
  Array: "a list",
  number: "a number (without quotes)",
  string: "a text (in quotes)",
};

const expected = ({ expected }: v.BaseIssue<unknown>, path: Path): string =>
  path.length === 0 ? "a mapping with version and streams" : KINDS[expected ?? ""] ?? `${expected}`;

function hintFor(key: string, part: keyof typeof PARTS | undefined): string | undefined {
  const known = part === undefined ? ["env", "file"] : PARTS[part];
  for (const [server, table] of Object.entries({ mongodb: MONGODB, cratedb: CRATEDB })) {
    if (Object.hasOwn(table, key)) return `Write it as ${server}: { ${withoutServer(key, server)}: … }`;
  }
  const similar = similarName(key, known);
  if (similar !== undefined) return `Did you mean ${similar}?`;
  const homes = Object.entries(PARTS).filter(([, keys]) => keys.includes(key)).map(([home]) => home);
  return homes.length > 0 ? `It belongs to ${homes.join(" or ")}` : `Known keys: ${known.join(", ")}`;
}

const withoutServer = (name: string, server: string): string =>
  name.charAt(server.length).toLowerCase() + name.slice(server.length + 1);
