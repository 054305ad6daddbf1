/** What is left of a snapshot: what is saved of it, and what is planned from that. Pure. */
import { type Namespace, namespaceText } from "../namespace.ts";
import { UserError } from "../util/errors.ts";
import type { RelaySettings } from "./settings.ts";

/** What is saved of a snapshot that is not done. */
export interface SnapshotState {
  /** The collection to go on with, those before it in the order of names being done; null when all are. */
  readonly resumeAt: string | null;
  /** BSON of the `_id` read last, in hex digits; null at the start of a collection. */
  readonly lastKey: string | null;
  /** Whether rows whose documents are gone are removed. */
  readonly removesGone: boolean;
  /** Documents read so far. */
  readonly documents: number;
  /** Collections that come once more, after the others. */
  readonly requeued: readonly Requeued[];
}

export interface Requeued extends Namespace {
  /** Whether rows whose documents are gone stay. */
  readonly keepsGone?: boolean;
}

/** What is to be read, now that it is known which collections there are. */
export interface SnapshotPlan extends Omit<SnapshotState, "resumeAt"> {
  readonly pending: readonly Namespace[];
}

const NOTHING: SnapshotState = {
  resumeAt: null,
  lastKey: null,
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

/** @param namespaces the collections that there are, in the order of their names */
export function planSnapshot(
  { resumeAt, ...rest }: SnapshotState = NOTHING,
  namespaces: readonly Namespace[],
): SnapshotPlan {
  const pending = resumeAt === null ? [] : namespaces.filter((each) => namespaceText(each) >= resumeAt);
  const isThere = resumeAt === null || (pending[0] && namespaceText(pending[0]) === resumeAt);
  return { ...rest, pending, lastKey: isThere ? rest.lastKey : null };
}

/** The collection to read next; undefined when all are done. */
export const currentCollection = ({ pending, requeued }: SnapshotPlan): Requeued | undefined =>
  pending[0] ?? requeued[0];

/** To be saved; null when all is done. */
export function stateOf({ pending, ...rest }: SnapshotPlan): SnapshotState | null {
  const [first] = pending;
  if (!first && rest.requeued.length === 0) return null;
  return { ...rest, resumeAt: first ? namespaceText(first) : null };
}

/** The plan without a collection, however often it is in it. */
export function withoutCollection(plan: SnapshotPlan, namespace: Namespace): SnapshotPlan {
  const name = namespaceText(namespace);
  const isOther = (each: Namespace) => namespaceText(each) !== name;
  const current = currentCollection(plan);
  return {
    ...plan,
    pending: plan.pending.filter(isOther),
    requeued: plan.requeued.filter(isOther),
    lastKey: current && !isOther(current) ? null : plan.lastKey,
  };
}

/**
 * The plan with a collection at its end, to be read from its start.
 *
 * @example
 * IN: pending [a, b], b → OUT: pending [a], requeued [b]
 */
export function requeue(
  plan: SnapshotPlan,
  { database, collection }: Namespace,
  { keepsGone = false } = {},
): SnapshotPlan {
  const rest = withoutCollection(plan, { database, collection });
  const entry = { database, collection, ...keepsGone && { keepsGone } };
  return { ...rest, requeued: [...rest.requeued, entry] };
}

/** The plan after the current collection is done. */
export const finishCollection = (plan: SnapshotPlan): SnapshotPlan => ({
  ...plan,
  lastKey: null,
  ...plan.pending.length > 0 ? { pending: plan.pending.slice(1) } : { requeued: plan.requeued.slice(1) },
});

/** The form in which versions up to 0.1 and this one save it. */
interface SavedSnapshot {
  readonly from: string | null;
  readonly last: string | null;
  readonly sweep: boolean;
  readonly copied: number;
  readonly again: readonly (Namespace & { readonly keeps?: boolean })[];
}

/** @example OUT: {"from":"shop.orders","last":null,"sweep":false,"copied":0,"again":[]} */
export const snapshotStateText = (state: SnapshotState): string =>
  JSON.stringify(
    {
      from: state.resumeAt,
      last: state.lastKey,
      sweep: state.removesGone,
      copied: state.documents,
      again: state.requeued.map(({ database, collection, keepsGone }) => ({
        database,
        collection,
        ...keepsGone && { keeps: true },
      })),
    } satisfies SavedSnapshot,
  );

/**
 * The inverse of {@linkcode snapshotStateText}.
 *
 * @throws UserError where somebody has changed it
 */
export function parseSnapshotState(text: string): SnapshotState {
  const saved = parseJson(text);
  if (!isSavedSnapshot(saved)) {
    throw new UserError(`The snapshot of this stream cannot be read: it is ${text.slice(0, 200)}`, {
      hint:
        "Somebody has changed it. Delete the row of this stream from cdc_position: the next start takes a new snapshot.",
    });
  }
  return {
    resumeAt: saved.from,
    lastKey: saved.last,
    removesGone: saved.sweep,
    documents: saved.copied,
    requeued: saved.again.map(({ database, collection, keeps }) => ({
      database,
      collection,
      ...keeps && { keepsGone: true },
    })),
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const isTextOrNull = (value: unknown): boolean => value === null || typeof value === "string";

function isSavedSnapshot(value: unknown): value is SavedSnapshot {
  if (value === null || typeof value !== "object") return false;
  const { from, last, sweep, copied, again } = value as Record<string, unknown>;
  return isTextOrNull(from) && isTextOrNull(last) && (last === null || isHex(String(last))) &&
    typeof sweep === "boolean" && typeof copied === "number" && Array.isArray(again) &&
    again.every(isNamespace);
}

const isHex = (text: string): boolean => /^(?:[0-9a-f]{2})+$/i.test(text);

const isNamespace = (value: unknown): boolean =>
  value !== null && typeof value === "object" &&
  typeof (value as Namespace).database === "string" && typeof (value as Namespace).collection === "string";
