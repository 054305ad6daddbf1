/** Compares the file that a process runs with the one that it reads again. */
import type { Namespace } from "../util/namespace.ts";
import type { Reload } from "./option.ts";
import type { RelayFile, Setting, StreamSettings } from "./relay_file.ts";
import { COLLECTION } from "./relay_options.ts";

/** A setting with another value. */
export interface Change {
  /** Undefined for a setting of the process. */
  readonly stream?: string;
  /** The name or pattern below `collections`; undefined for a setting of the stream. */
  readonly collection?: string;
  readonly setting: string;
  readonly before: string;
  readonly after: string;
  readonly reload: Reload;
}

/**
 * What differs between two files.
 *
 * @example
 * IN: shop with omit: [], the same with omit: [card] → OUT: [{stream: "shop", setting: "omit", after: "card", reload: "from now on", …}]
 */
export function changesOf(before: RelayFile, after: RelayFile): readonly Change[] {
  const names = new Set([...before.streams, ...after.streams].map(({ name }) => name));
  return [
    ...differing(before.processEffective, after.processEffective),
    ...[...names].flatMap((name) => {
      const [old, next] = [before, after].map(({ streams }) => streams.find((each) => each.name === name));
      return old && next ? changesOfStream(old, next) : [addedOrRemoved(name, next !== undefined)];
    }),
  ];
}

const addedOrRemoved = (stream: string, isAdded: boolean): Change => ({
  stream,
  setting: "streams",
  before: isAdded ? "" : stream,
  after: isAdded ? stream : "",
  reload: "restart",
});

function changesOfStream(before: StreamSettings, after: StreamSettings): readonly Change[] {
  const ofAll = differing(before.effective, after.effective);
  const isOfAll = ({ setting, ...change }: Change) =>
    ofAll.some((each) => each.setting === setting && each.after === change.after);
  const patterns = new Set([...before.collections, ...after.collections].map(({ pattern }) => pattern));
  const ofRules = [...patterns].flatMap((collection) =>
    differing(ofRule(before, collection), ofRule(after, collection))
      .filter((change) => !isOfAll(change)).map((change) => ({ collection, ...change }))
  );
  return [...ofAll, ...ofRules].map((change) => ({ stream: before.name, ...change }));
}

/** The settings of a name or a pattern; without any, its collections have those of the stream. */
const ofRule = ({ effective, collections }: StreamSettings, pattern: string): readonly Setting[] =>
  collections.find((each) => each.pattern === pattern)?.effective ??
    effective.filter(({ name }) => name in COLLECTION);

function differing(before: readonly Setting[], after: readonly Setting[]): readonly Change[] {
  const old = new Map(before.map(({ name, text }) => [name, text]));
  return after.filter(({ name, text }) => old.get(name) !== text)
    .map(({ name, text, reload }) => ({ setting: name, before: old.get(name) ?? "", after: text, reload }));
}

/** Whether a stream has the same settings in both, for each collection that may ever exist. */
export const isSame = (before: StreamSettings, after: StreamSettings): boolean =>
  textOf(before) === textOf(after);

const textOf = ({ effective, collections }: StreamSettings): string =>
  JSON.stringify([
    effective.map(({ text }) => text),
    collections.map((each) => [each.pattern, each.effective.map(({ text }) => text)]),
  ]);

/** The settings of a collection on which the content of its rows depends, as a text. */
export const contentOf = ({ effectiveFor }: StreamSettings) => (namespace: Namespace): string =>
  JSON.stringify(
    effectiveFor(namespace).filter(({ reload }) => reload === "snapshot").map((
      { name, text },
    ) => [name, text]),
  );
