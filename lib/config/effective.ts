/** The settings in effect, with their origins, and what a changed file changes. */
import { BSON } from "../bson/library.ts";
import { type PartitionBy, partitionText, type Retention, retentionText } from "../mapping/partition.ts";
import { maskUrl } from "../util/mask_url.ts";
import { type Hook, hookName, maskWebhook } from "../monitor/hooks.ts";
import type { Namespace } from "../util/namespace.ts";
import { exampleOf, givenFor, isAbout, ruleIn } from "./collection_rules.ts";
import { isToken, type Option, type OptionTable } from "./option.ts";
import { find, type Found, type Given, valueOf } from "./read.ts";
import { COLLECTION, RELAY, type Reload, reloadOf } from "./relay_options.ts";

/** Its text is for people: one value has one text, and secrets are masked. Its origin is a flag, a variable, a place, or `default`. */
export type Setting = Readonly<Record<"name" | "text" | "origin", string> & { secret?: string }>;

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

/** What may be shown of settings. */
export const shownOf = (settings: readonly Setting[]) =>
  settings.map(({ name, text, origin }) => ({ name, text, origin }));

/** @example IN: {lease}, {flags: {lease: "10000"}} → OUT: [{name: "lease", text: "10s", origin: "--lease"}] */
export const settingsIn = (table: OptionTable, given: Given): readonly Setting[] =>
  Object.entries(table).map(([name, option]) => {
    const found = find(name, option, given);
    return {
      name,
      text: found ? textOf(option, found, valueOf(name, option, given)) : option.default ?? "",
      origin: found?.source ?? "default",
      ...option.secret && found?.value !== undefined && { secret: JSON.stringify(found.value) },
    };
  });

const UNITS_MS = [[3_600_000, "h"], [60_000, "m"], [1_000, "s"], [1, "ms"]] as const;
const UNITS_BYTES = [[2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"], [1, ""]] as const;

/** @example IN: 90_000, UNITS_MS → OUT: 90s */
function inUnits(value: number, units: readonly (readonly [size: number, name: string])[]): string {
  const [size, unit] = units.find(([size]) => value >= size && value % size === 0) ?? [1, units.at(-1)?.[1]];
  return `${value / size}${unit}`;
}

function textOf(option: Option, { value: given, file }: Found, value: unknown): string {
  const { type, secret } = option;
  if (type === "hooks") return (value as readonly Hook[]).map(hookName).join(", ");
  if (file !== undefined) return `the content of ${file}`;
  if (secret) {
    if (isToken(option)) return "***";
    return type === "webhook" ? maskWebhook(String(given)) : maskUrl(String(given));
  }
  // The value is the content of a file.
  if (type === "certificate" || type === "privateKey") return String(given);
  if (type === "filter" || type === "pipeline") return BSON.EJSON.stringify(value, { relaxed: true });
  if (type === "partition") return partitionText(value as PartitionBy);
  if (type === "retention") return retentionText(value as Retention);
  if (type === "duration") return value === Infinity ? "forever" : inUnits(Number(value), UNITS_MS);
  if (type === "size") return inUnits(Number(value), UNITS_BYTES);
  if (Array.isArray(value)) return value.join(",");
  if (typeof value !== "object") return String(value);
  return typeof given === "string" ? given : JSON.stringify(given);
}

/** A setting with another value: of the process, of a stream, or of a name or pattern below its `collections`. */
type Change = Readonly<
  & Record<"setting" | "before" | "after", string>
  & { stream?: string; collection?: string; reload: Reload }
>;

/** When a running relay takes another value. */
export const EFFECTS: Readonly<Record<Reload, string>> = {
  "live": "at once",
  "from now on": "from the next batch on; rows written before stay as they are until a snapshot",
  "snapshot": "a new snapshot of the collection, beside the stream",
  "restart": "after a restart",
};

/**
 * A change in words, without the stream.
 * @example
 * IN: {collection: "orders", setting: "omit", before: "", after: "card", …} → OUT: omit of orders: (none) → card
 */
export function changeText({ collection, setting, before, after }: Omit<Change, "reload">): string {
  const name = collection ? `${setting} of ${collection}` : setting;
  return `${name}: ${before || "(none)"} → ${after || "(none)"}`;
}

/** The settings of a file. */
export interface EffectiveFile {
  readonly processEffective: readonly Setting[];
  readonly streams: readonly (Effective & { readonly name: string })[];
}

/** Streams that were added or removed are changes too. */
export function changesOf(before: EffectiveFile, after: EffectiveFile): readonly Change[] {
  const streams = new Set([...before.streams, ...after.streams].map(({ name }) => name));
  return [
    ...differing(before.processEffective, after.processEffective),
    ...[...streams].flatMap((stream): readonly Change[] => {
      const [old, next] = [before, after].map(({ streams }) => streams.find(({ name }) => name === stream));
      if (old && next) return changesOfStream(old, next).map((change) => ({ stream, ...change }));
      const names = { before: old?.name ?? "", after: next?.name ?? "" };
      return [{ stream, setting: "streams", ...names, reload: "restart" }];
    }),
  ];
}

/** @example IN: omit: [], omit: [card] → OUT: [{setting: "omit", before: "", after: "card", reload: "from now on"}] */
export function changesOfStream(before: Effective, after: Effective): readonly Change[] {
  const ofAll = differing(before.effective, after.effective);
  const isOfAll = ({ setting, after }: Change) =>
    ofAll.some((each) => each.setting === setting && each.after === after);
  const [database = ""] = after.effective.find(({ name }) => name === "database")?.text.split(",") ?? [];
  const patterns = new Set([...before.collections, ...after.collections].map(({ pattern }) => pattern));
  const ofRules = [...patterns].flatMap((collection) => {
    const example = exampleOf(collection, database);
    return differing(effectiveFor(before, example), effectiveFor(after, example))
      .filter((change) => !isOfAll(change)).map((change) => ({ collection, ...change }));
  });
  return [...ofAll, ...ofRules];
}

/** An option that an earlier version did not have is no change; another password is one, unless none was saved. */
function differing(before: readonly Setting[], after: readonly Setting[]): readonly Change[] {
  const old = new Map(before.map((each) => [each.name, each]));
  return after.flatMap((next) => {
    const { text, secret = next.secret } = old.get(next.name) ?? next;
    const change = { setting: next.name, before: text, after: next.text, reload: reloadOf(next.name) };
    return text === next.text && secret === next.secret ? [] : [change];
  });
}

/** The settings of a stream as they are saved: the same text for the same settings, wherever they are from. */
export const savedText = ({ effective, collections }: Effective): string =>
  JSON.stringify(
    { effective, collections },
    (name, value) => /^(?:origin|secret)$/.test(name) ? undefined : value,
  );

/** The settings of a stream as a relay takes them: a text to save, and a comparison with one that was saved. */
export const contentOf = (stream: Effective) => ({
  text: savedText(stream),
  unmatched: (found: readonly Namespace[]): readonly string[] =>
    stream.collections.map(({ pattern }) => pattern)
      .filter((each) => !found.some((namespace) => isAbout(each, namespace))),
  isOutdated: (saved: string) => {
    const before: Effective = JSON.parse(saved);
    return (namespace: Namespace): boolean =>
      differing(effectiveFor(before, namespace), effectiveFor(stream, namespace))
        .some(({ reload }) => reload === "snapshot");
  },
});
