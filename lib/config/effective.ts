/** The settings in effect, with their origins. */
import { BSON } from "../bson/library.ts";
import { maskUrl } from "../util/mask_url.ts";
import type { Namespace } from "../util/namespace.ts";
import { givenFor, ruleIn } from "./collection_rules.ts";
import type { Option, OptionTable } from "./option.ts";
import { find, type Found, type Given, valueOf } from "./read.ts";
import { COLLECTION, RELAY } from "./relay_options.ts";

/** Its text is for people: one value has one text, and secrets are masked. Its origin is a flag, a variable, a place, or `default`. */
export type Setting = Readonly<Record<"name" | "text" | "origin", string>>;

/** The settings of a stream, as data that a relay may save: its own, and those of the collections that have others. */
export interface Effective {
  readonly effective: readonly Setting[];
  readonly collections: readonly { readonly pattern: string; readonly effective: readonly Setting[] }[];
}

const { maxMemory: _ofProcess, ...OF_STREAM } = RELAY;

export const effectiveOf = (given: Given): Effective => ({
  effective: settingsIn(OF_STREAM, given),
  collections: (given.collections ?? []).map((rule) => ({
    pattern: rule.pattern,
    effective: settingsIn(COLLECTION, givenFor(given, rule)),
  })),
});

/** The settings of one collection. */
export const effectiveFor = ({ effective, collections }: Effective, namespace: Namespace) =>
  ruleIn(collections)(namespace)?.effective ?? effective.filter(({ name }) => name in COLLECTION);

/** @example IN: {lease}, {flags: {lease: "10000"}} → OUT: [{name: "lease", text: "10s", origin: "--lease"}] */
export const settingsIn = (table: OptionTable, given: Given): readonly Setting[] =>
  Object.entries(table).map(([name, option]) => {
    const found = find(name, option, given);
    return {
      name,
      text: found ? textOf(option, found, valueOf(name, option, given)) : option.default ?? "",
      origin: found?.source ?? "default",
    };
  });

const UNITS_MS = [[3_600_000, "h"], [60_000, "m"], [1_000, "s"], [1, "ms"]] as const;
const UNITS_BYTES = [[2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"], [1, ""]] as const;

/** @example IN: 90_000, UNITS_MS → OUT: 90s */
function inUnits(value: number, units: readonly (readonly [size: number, name: string])[]): string {
  const [size, unit] = units.find(([size]) => value >= size && value % size === 0) ?? [1, units.at(-1)?.[1]];
  return `${value / size}${unit}`;
}

function textOf({ type, secret }: Option, { value: given, file }: Found, value: unknown): string {
  if (file !== undefined) return `the content of ${file}`;
  if (secret) return type === "token" ? "***" : maskUrl(String(given));
  if (type === "filter" || type === "pipeline") return BSON.EJSON.stringify(value, { relaxed: true });
  if (type === "duration") return value === Infinity ? "forever" : inUnits(Number(value), UNITS_MS);
  if (type === "size") return inUnits(Number(value), UNITS_BYTES);
  if (Array.isArray(value)) return value.join(",");
  return String(typeof value === "object" ? given : value);
}
