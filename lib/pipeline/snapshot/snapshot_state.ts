/** What is left of a snapshot: what is saved of it, and what is planned from that. Pure. */
import { type Namespace, namespaceText } from "../../util/namespace.ts";
import type { Requeued } from "../collections/collection_state.ts";
import type { RelaySettings } from "../settings.ts";

/** A range that is not read to its end. Keys are BSON of `{_id}` in hex digits. */
export interface RangeLeft {
  /** The key read last, or the one before the range; null at the start of the collection. */
  readonly after: string | null;
  /** The last key of the range; null at the end of the collection. No two ranges of a collection have the same. */
  readonly upTo: string | null;
}

/** What is saved of a snapshot that is not done. */
export interface SnapshotState {
  /** The first collection that is not done, in the order of names; null when all are. */
  readonly resumeAt: string | null;
  /** Collections after it that are done. */
  readonly done: readonly string[];
  /** What is left to read of the collections that have begun; no range where only the removal of rows is left. */
  readonly ranges: Readonly<Record<string, readonly RangeLeft[]>>;
  /** Whether rows whose documents are gone are removed. */
  readonly removesGone: boolean;
  /** Documents read so far. */
  readonly documents: number;
  /** Collections that come once more, after the others. */
  readonly requeued: readonly Requeued[];
}

/** What is to be read, now that it is known which collections there are. */
export interface SnapshotPlan extends Omit<SnapshotState, "resumeAt"> {
  readonly pending: readonly Namespace[];
}

const NOTHING: SnapshotState = {
  resumeAt: null,
  done: [],
  ranges: {},
  removesGone: false,
  documents: 0,
  requeued: [],
};

/** The state of a snapshot of everything that has not begun. */
export const fullSnapshot = ({ removesGone }: Pick<SnapshotState, "removesGone">): SnapshotState => ({
  ...NOTHING,
  resumeAt: "",
  removesGone,
});

/** Whether all that is left are collections whose changes are skipped. */
export const isOnlySkipped = ({ resumeAt, requeued }: SnapshotState): boolean =>
  resumeAt === null && requeued.every(({ skipped }) => skipped === true);

/** True if the unfinished snapshot repairs data, so it must run even with `--snapshot never`. */
export const isRepair = ({ removesGone, requeued }: SnapshotState): boolean =>
  removesGone || requeued.length > 0;

/**
 * The snapshot that a start has to take; null for none.
 *
 * @param saved what is left of an earlier one; null for none
 * @param options.hasToken whether the stream was followed before
 * @param options.hadTables whether there may be rows whose documents are gone
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
      return fullSnapshot({ removesGone: true });
    case "never":
      return saved && isRepair(saved) ? saved : null;
    case "only":
      if (hasToken) return saved ?? fullSnapshot({ removesGone: true });
      return saved ?? fullSnapshot({ removesGone: hadTables });
    case "initial":
      return hasToken ? saved : saved ?? fullSnapshot({ removesGone: hadTables });
  }
}

/**
 * A collection that is to be read once more comes only then.
 *
 * @param namespaces the collections that there are, in the order of their names
 */
export function planSnapshot(
  { resumeAt, ...rest }: SnapshotState = NOTHING,
  namespaces: readonly Namespace[],
): SnapshotPlan {
  const requeued = rest.requeued.map(({ skipped: _, ...each }) => each);
  const passed = new Set([...rest.done, ...requeued.map(namespaceText)]);
  const isPending = (name: string) => resumeAt !== null && name >= resumeAt && !passed.has(name);
  const plan = { ...rest, requeued, pending: namespaces.filter((each) => isPending(namespaceText(each))) };
  const left = new Set(collectionsLeft(plan).map(namespaceText));
  return { ...plan, ranges: only(rest.ranges, (name) => left.has(name)) };
}

/** The collections that are not done, in the order in which they are read. */
export function* collectionsLeft({ pending, requeued }: SnapshotPlan): Generator<Requeued> {
  yield* pending;
  yield* requeued;
}

/** Whether all collections are done. */
export const isDone = ({ pending, requeued }: SnapshotPlan): boolean =>
  pending.length === 0 && requeued.length === 0;

/** What is left to read of a collection; undefined if it has not begun. */
export const rangesLeft = (
  { ranges }: SnapshotPlan,
  namespace: Namespace,
): readonly RangeLeft[] | undefined => ranges[namespaceText(namespace)];

/** To be saved; null when all is done. */
export function stateOf(plan: SnapshotPlan): SnapshotState | null {
  if (isDone(plan)) return null;
  const { pending: [first], ...rest } = plan;
  return { ...rest, resumeAt: first ? namespaceText(first) : null, done: doneAfter(first, rest.done) };
}

/** Collections that are done and follow the first one that is not: those before it need no mention. */
const doneAfter = (first: Namespace | undefined, done: readonly string[]): readonly string[] => {
  if (!first) return [];
  const resumeAt = namespaceText(first);
  return done.filter((name) => name > resumeAt);
};

/** The plan once it is known in which ranges a collection is read. */
export const beginCollection = (
  plan: SnapshotPlan,
  namespace: Namespace,
  ranges: readonly RangeLeft[],
): SnapshotPlan => ({ ...plan, ranges: { ...plan.ranges, [namespaceText(namespace)]: ranges } });

/** What was read of a range. */
export interface Progress {
  /** The key read last. */
  readonly last: string | null;
  /** Documents read. */
  readonly seen: number;
  /** Whether the range is at its end. */
  readonly done: boolean;
}

/**
 * The plan after a chunk of a range is read. A collection that is no longer in it stays out.
 *
 * @example
 * IN: ranges [… to 5, after 5 …], … to 5, {last: 3, seen: 3, done: false} → OUT: ranges [after 3 to 5, after 5 …]
 * IN: ranges [… to 5, after 5 …], … to 5, {last: 5, seen: 5, done: true} → OUT: ranges [after 5 …]
 */
export function advanceRange(
  plan: SnapshotPlan,
  { namespace, upTo }: Pick<RangeLeft, "upTo"> & { readonly namespace: Namespace },
  { last, seen, done }: Progress,
): SnapshotPlan {
  const ranges = rangesLeft(plan, namespace);
  if (!ranges) return plan;
  const left = ranges.flatMap((each) => {
    if (each.upTo !== upTo) return [each];
    return done ? [] : [{ after: last, upTo }];
  });
  return { ...beginCollection(plan, namespace, left), documents: plan.documents + seen };
}

/** The plan without a collection, however often it is in it. */
export const withoutCollection = (plan: SnapshotPlan, namespace: Namespace): SnapshotPlan =>
  withoutCollections(plan, [namespace]);

function withoutCollections(plan: SnapshotPlan, namespaces: readonly Namespace[]): SnapshotPlan {
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
 * The plan with a collection at its end, to be read from its start.
 *
 * @example
 * IN: pending [a, b], b → OUT: pending [a], requeued [b]
 */
export const requeue = (
  plan: SnapshotPlan,
  namespace: Namespace,
  options: Pick<Requeued, "keepsGone" | "skipped"> = {},
): SnapshotPlan => requeueAll(plan, [{ ...namespace, ...options }]);

/**
 * The plan with collections at its end, each to be read from its start.
 *
 * @example
 * IN: pending [a, b], requeued [], [b, c] → OUT: pending [a], requeued [b, c]
 */
export function requeueAll(plan: SnapshotPlan, collections: readonly Requeued[]): SnapshotPlan {
  const rest = withoutCollections(plan, collections);
  const entries = collections.map(({ database, collection, keepsGone = false, skipped = false }) => ({
    database,
    collection,
    ...keepsGone && { keepsGone },
    ...skipped && { skipped },
  }));
  return { ...rest, requeued: [...rest.requeued, ...entries] };
}

/**
 * The same with collections whose changes are skipped, or were until now. With `--on-drop keep`, a collection that
 * the plan reads again after a drop keeps the rows of the dropped one.
 *
 * @example
 * IN: requeued [{a, keepsGone: true}], [{a, skipped: true}], "keep" → OUT: requeued [{a, keepsGone: true, skipped: true}]
 */
export function requeueSkipped(
  plan: SnapshotPlan,
  collections: readonly Requeued[],
  onDrop: RelaySettings["onDrop"],
): SnapshotPlan {
  const keeping = onDrop === "keep" ? plan.requeued.filter(({ keepsGone }) => keepsGone) : [];
  const names = new Set(keeping.map(namespaceText));
  return requeueAll(
    plan,
    collections.map((each) => names.has(namespaceText(each)) ? { ...each, keepsGone: true } : each),
  );
}

/** The plan after a collection is done, which is one of {@linkcode collectionsLeft}. */
export function finishCollection(plan: SnapshotPlan, namespace: Requeued): SnapshotPlan {
  const name = namespaceText(namespace);
  const pending = without(plan.pending, namespace);
  return {
    ...plan,
    pending,
    requeued: without(plan.requeued, namespace),
    done: pending === plan.pending ? plan.done : doneAfter(pending[0], [...plan.done, name]),
    ranges: only(plan.ranges, (each) => each !== name),
  };
}

/** The same list if the entry is not in it. */
function without<T>(list: readonly T[], entry: T): readonly T[] {
  const at = list.indexOf(entry);
  return at < 0 ? list : list.toSpliced(at, 1);
}

/** The plan after the end of a snapshot: the next one counts its documents from 0. */
export const startAgain = (plan: SnapshotPlan): SnapshotPlan => ({ ...plan, documents: 0, done: [] });

const only = <T>(
  entries: Readonly<Record<string, T>>,
  isWanted: (name: string) => boolean,
): Record<string, T> => Object.fromEntries(Object.entries(entries).filter(([name]) => isWanted(name)));
