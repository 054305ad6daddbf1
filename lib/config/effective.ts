/** The settings in effect, with their origins. */
import { BSON } from "mongodb";
import { maskUrl } from "../util/mask_url.ts";
import type { Namespace } from "../util/namespace.ts";
import { givenFor, ruleFor } from "./collection_rules.ts";
import type { Option, OptionTable, Reload } from "./option.ts";
import { find, type Given, valueOf } from "./read.ts";
import { COLLECTION, RELAY } from "./relay_options.ts";

/** A setting in effect, with its origin. */
export interface Setting {
  /** As in the option table. */
  readonly name: string;
  /** Its value for people: one value has one text. Secrets are masked. */
  readonly text: string;
  /** A flag, a variable, a place such as `relay.yaml:12`, or `default`. */
  readonly origin: string;
  readonly reload: Reload;
}

/** The settings of a stream, as data that a relay may save. */
export interface Effective {
  /** Those of the stream, including the ones that its collections inherit. */
  readonly effective: readonly Setting[];
  /** Those of the collections that have others. */
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

/** @example IN: {lease}, {flags: {lease: "10000"}} → OUT: [{name: "lease", text: "10s", origin: "--lease", reload: "restart"}] */
export const settingsIn = (table: OptionTable, given: Given): readonly Setting[] =>
  Object.entries(table).map(([name, option]) => {
    const found = find(name, option, given);
    return {
      name,
      text: found ? textOf(option, found, valueOf(name, option, given)) : option.default ?? "",
      origin: found?.source ?? "default",
      reload: option.reload ?? "restart",
    };
  });

const UNITS_MS = [[3_600_000, "h"], [60_000, "m"], [1_000, "s"], [1, "ms"]] as const;
const UNITS_BYTES = [[2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"], [1, ""]] as const;

/** @example IN: 90_000, UNITS_MS → OUT: 90s */
function inUnits(value: number, units: readonly (readonly [size: number, name: string])[]): string {
  const [size, unit] = units.find(([size]) => value >= size && value % size === 0) ?? [1, units.at(-1)?.[1]];
  return `${value / size}${unit}`;
}

function textOf(
  option: Option,
  { value: given, file }: NonNullable<ReturnType<typeof find>>,
  value: unknown,
) {
  if (file !== undefined) return `the content of ${file}`;
  if (option.secret) return option.type === "token" ? "***" : maskUrl(String(given));
  switch (option.type) {
    case "duration":
      return value === Infinity ? "forever" : inUnits(Number(value), UNITS_MS);
    case "size":
      return inUnits(Number(value), UNITS_BYTES);
    case "filter":
    case "pipeline":
      return BSON.EJSON.stringify(value, { relaxed: true });
    case "names":
    case "paths":
    case "omittedPaths":
      return (value as readonly string[]).join(",");
    default:
      if (typeof value !== "object") return String(value);
      return typeof given === "string" ? given : JSON.stringify(given);
  }
}

/** The settings of one collection. */
export const effectiveFor = (
  { effective, collections }: Effective,
  namespace: Namespace,
): readonly Setting[] =>
  ruleFor(collections, namespace)?.effective ?? effective.filter(({ name }) => name in COLLECTION);
