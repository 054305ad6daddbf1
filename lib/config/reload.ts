/** Compares settings with those of an earlier reading of the file, or an earlier run. */
import type { Namespace } from "../util/namespace.ts";
import { exampleOf, isAbout } from "./collection_rules.ts";
import { type Effective, effectiveFor, type Setting } from "./effective.ts";
import type { RelayFile } from "./relay_file.ts";
import { type Reload, reloadOf } from "./relay_options.ts";

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

/** Streams that were added or removed are changes too. */
export function changesOf(before: RelayFile, after: RelayFile): readonly Change[] {
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

/** An option that an earlier version did not have is no change. */
function differing(before: readonly Setting[], after: readonly Setting[]): readonly Change[] {
  const old = new Map(before.map(({ name, text }) => [name, text]));
  return after.flatMap(({ name: setting, text: after }) => {
    const before = old.get(setting);
    const change = { setting, before: before ?? after, after, reload: reloadOf(setting) };
    return change.before === after ? [] : [change];
  });
}

/** The settings of a stream as they are saved: the same text for the same settings, wherever they are from. */
export const savedText = ({ effective, collections }: Effective): string =>
  JSON.stringify({ effective, collections }, (name, value) => name === "origin" ? undefined : value);

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
