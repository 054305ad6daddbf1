/** The unread part of a snapshot: as it is saved, what that proves, and as it is planned from that. Pure. */
import type { BSON } from "mongodb";
import type { SavedPosition } from "../../sink/metadata/saved_position.ts";
import { hasPassed, hasReached, savedToken } from "../../source/stream/resume_token.ts";
import { UserError } from "../../util/errors.ts";
import { type Namespace, namespaceText } from "../../util/namespace.ts";
import type { Requeued } from "../collections/collection_state.ts";
import type { RelaySettings } from "../settings.ts";

/** A range of keys that is not read to its end. Keys are BSON of `{_id}` in hex digits. */
export interface RangeLeft {
  /** The key read last, the one before the range, or a position in record order; null at the start of the collection. */
  readonly after: string | null;
  /** The last key of the range, which identifies it; null at the end of the collection. */
  readonly upTo: string | null;
}

/** An unfinished read of the documents that match a filter. */
export interface FilteredSnapshot extends Namespace {
  readonly id: string;
  /** The query, as Extended JSON. */
  readonly filter: string;
  /** Documents a second at most, 0 for no limit; undefined for the rate of the stream. */
  readonly rate?: number;
  /** The key read last, as BSON of `{_id}` in hex digits; null at the start. */
  readonly after: string | null;
  readonly documents: number;
}

/** An unfinished snapshot as it is saved. */
export interface SnapshotState {
  /** The first unfinished collection, in the order of names; null for none. */
  readonly resumeAt: string | null;
  /** Finished collections after it. */
  readonly done: readonly string[];
  /** Ranges left of the collections that have begun; none if only stale rows are left to remove. */
  readonly ranges: Readonly<Record<string, readonly RangeLeft[]>>;
  readonly removesStale: boolean;
  readonly documents: number;
  /** Collections to read again, after the others. */
  readonly requeued: readonly Requeued[];
  /** Their collections are followed at the same time. @default {none} */
  readonly filtered?: readonly FilteredSnapshot[];
}

/** What to read of the collections that exist. */
export interface SnapshotPlan extends Omit<SnapshotState, "resumeAt"> {
  readonly pending: readonly Namespace[];
}

/** A snapshot of all collections that has not begun. */
export const fullSnapshot = ({ removesStale }: Pick<SnapshotState, "removesStale">): SnapshotState => ({
  resumeAt: "",
  done: [],
  ranges: {},
  removesStale,
  documents: 0,
  requeued: [],
});

const NOTHING: SnapshotState = { ...fullSnapshot({ removesStale: false }), resumeAt: null };

/** Whether only collections are left whose changes are skipped. */
export const isOnlySkipped = ({ resumeAt, requeued }: SnapshotState): boolean =>
  resumeAt === null && requeued.every(({ skipped }) => skipped === true);

/** Whether the snapshot repairs rows, so that it runs even with `--snapshot never`. */
export const isRepair = ({ removesStale, requeued }: SnapshotState): boolean =>
  removesStale || requeued.length > 0;

/**
 * The snapshot to take at a start; null for none. The stream was followed before if it `hasToken`; stale rows may exist
 * if it `hadTables`.
 *
 * @param saved the unfinished one of an earlier run
 *
 * @example
 * IN: null, "initial", {hasToken: true, …} → OUT: null
 * IN: null, "initial", {hasToken: false, …} → OUT: a full snapshot
 */
export function snapshotAtStart(
  saved: SnapshotState | null,
  mode: RelaySettings["snapshot"],
  { hasToken, hadTables }: { hasToken: boolean; hadTables: boolean },
): SnapshotState | null {
  switch (mode) {
    case "always":
      return fullSnapshot({ removesStale: true });
    case "never":
      return saved && isRepair(saved) ? saved : filteredOf(saved);
    case "only":
      return saved ?? fullSnapshot({ removesStale: hasToken || hadTables });
    case "initial":
      return saved ?? (hasToken ? null : fullSnapshot({ removesStale: hadTables }));
  }
}

const filteredOf = (saved: SnapshotState | null): SnapshotState | null =>
  saved?.filtered?.length ? { ...NOTHING, filtered: saved.filtered } : null;

/** Whether collections are read as a whole, not only by filters. */
export const readsCollections = ({ resumeAt, requeued }: SnapshotState): boolean =>
  resumeAt !== null || requeued.length > 0;

/** @param saved null for nothing to read @param namespaces the collections that exist, in the order of their names */
export function planSnapshot(
  saved: SnapshotState | null,
  namespaces: readonly Namespace[],
): SnapshotPlan {
  const { resumeAt, ...rest } = saved ?? NOTHING;
  const requeued = rest.requeued.map(({ skipped: _, ...each }) => each);
  const passed = new Set([...rest.done, ...requeued.map(namespaceText)]);
  const isPending = (name: string) => resumeAt !== null && name >= resumeAt && !passed.has(name);
  const plan = { ...rest, requeued, pending: namespaces.filter((each) => isPending(namespaceText(each))) };
  const left = new Set(collectionsLeft(plan).map(namespaceText));
  return { ...plan, ranges: only(rest.ranges, (name) => left.has(name)) };
}

/** The unfinished collections, in the order in which they are read. */
export function* collectionsLeft({ pending, requeued }: SnapshotPlan): Generator<Requeued> {
  yield* pending;
  yield* requeued;
}

/** The ranges left of a collection; undefined if it has not begun. */
export const rangesLeft = ({ ranges }: SnapshotPlan, namespace: Namespace) =>
  ranges[namespaceText(namespace)];

/** The plan as it is saved; null if it is done. */
export function stateOf(plan: SnapshotPlan): SnapshotState | null {
  const { pending: [first], ...rest } = plan;
  if (!first && plan.requeued.length === 0 && !plan.filtered?.length) return null;
  return { ...rest, resumeAt: first ? namespaceText(first) : null, done: doneAfter(first, rest.done) };
}

/** Finished collections after the first unfinished one: those before it need not be saved. */
const doneAfter = (first: Namespace | undefined, done: readonly string[]): readonly string[] =>
  first ? done.filter((name) => name > namespaceText(first)) : [];

export const beginCollection = (
  plan: SnapshotPlan,
  namespace: Namespace,
  left: readonly RangeLeft[],
): SnapshotPlan => ({
  ...plan,
  ranges: { ...plan.ranges, [namespaceText(namespace)]: left },
});

/**
 * The plan after a chunk of a range was written; the same plan if the collection is no longer in it. `last` is the key
 * read last, `seen` the number of documents, and `done` whether the range is read to its end.
 *
 * @example
 * IN: ranges [… to 5, after 5 …], … to 5, {last: 3, seen: 3, done: false} → OUT: ranges [after 3 to 5, after 5 …]
 * IN: ranges [… to 5, after 5 …], … to 5, {last: 5, seen: 5, done: true} → OUT: ranges [after 5 …]
 */
export function advanceRange(
  plan: SnapshotPlan,
  { namespace, upTo }: Pick<RangeLeft, "upTo"> & { readonly namespace: Namespace },
  { last, seen, done }: { readonly last: string | null; readonly seen: number; readonly done: boolean },
): SnapshotPlan {
  const ranges = rangesLeft(plan, namespace);
  if (!ranges) return plan;
  const left = ranges.flatMap((each) => each.upTo !== upTo ? [each] : done ? [] : [{ after: last, upTo }]);
  return { ...beginCollection(plan, namespace, left), documents: plan.documents + seen };
}

export function withoutCollections(plan: SnapshotPlan, namespaces: readonly Namespace[]): SnapshotPlan {
  const names = new Set(namespaces.map(namespaceText));
  const isOther = (each: Namespace) => !names.has(namespaceText(each));
  return {
    ...plan,
    pending: plan.pending.filter(isOther),
    requeued: plan.requeued.filter(isOther),
    ranges: only(plan.ranges, (each) => !names.has(each)),
  };
}

/**
 * The plan with collections at its end, which are read from their start.
 *
 * @example
 * IN: pending [a, b], [b] → OUT: pending [a], requeued [b]
 */
export function requeueAll(plan: SnapshotPlan, collections: readonly Requeued[]): SnapshotPlan {
  const rest = withoutCollections(plan, collections);
  const entries = collections.map(({ database, collection, keepsStale, skipped, request }) => ({
    database,
    collection,
    ...keepsStale && { keepsStale },
    ...skipped && { skipped },
    ...request !== undefined && { request },
  }));
  return { ...rest, requeued: [...rest.requeued, ...entries] };
}

/**
 * {@linkcode requeueAll} for collections whose changes are or were skipped. A collection read again
 * after a drop keeps the rows of the dropped one if `--on-drop keep` holds for it.
 *
 * @example
 * IN: requeued [{a, keepsStale: true}], [{a, skipped: true}], "keep" → OUT: requeued [{a, keepsStale: true, skipped: true}]
 */
export function requeueSkipped(
  plan: SnapshotPlan,
  collections: readonly Requeued[],
  settings: Pick<RelaySettings, "for">,
): SnapshotPlan {
  const keeping = plan.requeued.filter((each) => each.keepsStale && settings.for(each).onDrop === "keep");
  const names = new Set(keeping.map(namespaceText));
  const keepsStale = (each: Requeued) => names.has(namespaceText(each)) || each.keepsStale === true;
  return requeueAll(plan, collections.map((each) => ({ ...each, keepsStale: keepsStale(each) })));
}

export function finishCollection(plan: SnapshotPlan, namespace: Namespace): SnapshotPlan {
  const rest = withoutCollections(plan, [namespace]);
  if (rest.pending.length === plan.pending.length) return rest;
  return { ...rest, done: doneAfter(rest.pending[0], [...plan.done, namespaceText(namespace)]) };
}

const only = <T>(
  entries: Readonly<Record<string, T>>,
  isWanted: (name: string) => boolean,
): Record<string, T> => Object.fromEntries(Object.entries(entries).filter(([name]) => isWanted(name)));

export const snapshotStateText = (state: SnapshotState): string => JSON.stringify(state);

/** The inverse of {@linkcode snapshotStateText}. */
export function parseSnapshotState(text: string): SnapshotState {
  let saved: unknown;
  try {
    saved = JSON.parse(text);
  } catch {
    // It is refused below.
  }
  if (isSnapshotState(saved)) return saved;
  throw new UserError(`The snapshot of this stream cannot be read: it is ${text.slice(0, 200)}`, {
    hint: "Someone has changed it, or another version has written it. Delete the row of this stream from " +
      "cdc_position: the next start takes a new snapshot.",
  });
}

function isSnapshotState(value: unknown): value is SnapshotState {
  if (!isObject(value)) return false;
  const { resumeAt, done, ranges, removesStale, documents, requeued } = value;
  return isNullOr(isString, resumeAt) && isListOf(isString, done) &&
    isObject(ranges) && Object.values(ranges).every((each) => isListOf(isRange, each)) &&
    typeof removesStale === "boolean" && typeof documents === "number" && isListOf(isNamespace, requeued) &&
    isListOf(isFiltered, value.filtered ?? []);
}

type Check = (value: unknown) => boolean;

const isString: Check = (value) => typeof value === "string";
const isNullOr = (check: Check, value: unknown): boolean => value === null || check(value);
const isListOf = (check: Check, value: unknown): boolean => Array.isArray(value) && value.every(check);

const isObject = (value: unknown): value is Record<string, unknown> =>
  value !== null && typeof value === "object" && !Array.isArray(value);

const isNamespace: Check = (value) =>
  isObject(value) && isString(value.database) && isString(value.collection);

const isFiltered: Check = (value) =>
  isObject(value) && isNamespace(value) && isString(value.id) && isString(value.filter) &&
  isNullOr(isKey, value.after) && typeof value.documents === "number";

const isRange: Check = (value) =>
  isObject(value) && isNullOr(isKey, value.after) && isNullOr(isKey, value.upTo);

const isKey: Check = (value) => typeof value === "string" && /^(?:[0-9a-f]{2})+$/i.test(value);

/**
 * Whether a relay has written all changes up to a time. Events of a transaction share a time, so the token of an event
 * alone does not prove it.
 *
 * @example
 * IN: {token of an event at that time, snapshot: null, isUpToDate: true, …} → OUT: true
 * IN: {token of an event at that time, snapshot: null, isUpToDate: false, …} → OUT: false
 */
export function hasWritten(
  { token, snapshot, isUpToDate }: Pick<SavedPosition, "token" | "snapshot" | "isUpToDate">,
  at: BSON.Timestamp,
): boolean {
  if (token === null || snapshot !== null && readsCollections(parseSnapshotState(snapshot))) return false;
  const bytes = savedToken(token);
  return hasPassed(bytes, at) || isUpToDate && hasReached(bytes, at);
}

/**
 * The position of all collections but skipped ones, which a relay reads again before it follows them.
 *
 * @example
 * IN: {snapshot: a skipped collection that is to be read, …} → OUT: {snapshot: null, …}
 */
export function besideSkipped<Position extends Pick<SavedPosition, "snapshot">>(
  position: Position,
): Position {
  const { snapshot } = position;
  if (snapshot === null || !isOnlySkipped(parseSnapshotState(snapshot))) return position;
  return { ...position, snapshot: null };
}
