/**
 * The states of a collection that a relay follows.
 *
 * | State       | Meaning                                                                                     | Its changes |
 * | ----------- | ------------------------------------------------------------------------------------------- | ----------- |
 * | `waiting`   | its snapshot has not begun, or MongoDB does not have it                                     | are applied |
 * | `snapshot`  | its documents are being read                                                                | are applied |
 * | `following` | its table has all documents                                                                 | are applied |
 * | `paused`    | an operator has paused it                                                                   | are skipped |
 * | `failed`    | its table cannot be used; the relay retries it every minute, at each start and when asked   | are skipped |
 *
 * The position of the stream passes skipped changes. So a collection that leaves `paused` or `failed` needs a snapshot,
 * and each saved position contains that, see {@linkcode Requeued}.
 */
import type { Namespace } from "../../util/namespace.ts";

export type CollectionState =
  | { readonly name: "waiting" | "snapshot" | "following"; readonly reason?: never; readonly hint?: never }
  | { readonly name: "paused"; readonly reason?: string; readonly hint?: never }
  | { readonly name: "failed"; readonly reason: string; readonly hint?: string };

export type StateChange =
  | {
    readonly what:
      | "snapshot planned"
      | "snapshot begun"
      | "snapshot done"
      | "snapshot cancelled"
      | "followed without snapshot"
      | "resumed"
      | "usable again"
      | "dropped";
  }
  | { readonly what: "paused"; readonly reason?: string }
  | { readonly what: "failed"; readonly reason: string; readonly hint?: string };

/** The transitions. A change that a state does not list leaves the state as it is: a chunk may end after a failure. */
const TRANSITIONS: Readonly<
  Record<CollectionState["name"], Partial<Record<StateChange["what"], CollectionState["name"]>>>
> = {
  waiting: {
    "snapshot begun": "snapshot",
    "snapshot cancelled": "following",
    "followed without snapshot": "following",
    failed: "failed",
    paused: "paused",
  },
  snapshot: {
    "snapshot planned": "waiting",
    "snapshot done": "following",
    "snapshot cancelled": "following",
    failed: "failed",
    paused: "paused",
    dropped: "waiting",
  },
  following: { "snapshot planned": "waiting", failed: "failed", paused: "paused", dropped: "waiting" },
  paused: { paused: "paused", resumed: "waiting", dropped: "waiting" },
  failed: { failed: "failed", paused: "paused", "usable again": "waiting", dropped: "waiting" },
};

/**
 * The state after a change; the same object if nothing changes.
 *
 * @example
 * IN: {name: "snapshot"}, {what: "snapshot done"} → OUT: {name: "following"}
 * IN: {name: "paused"}, {what: "snapshot done"} → OUT: {name: "paused"}
 */
export function nextState(state: CollectionState, change: StateChange): CollectionState {
  const name = TRANSITIONS[state.name][change.what];
  if (name === undefined) return state;
  const { what: _, ...details } = change;
  const next = { name, ...details } as CollectionState;
  const isSame = next.name === state.name && next.reason === state.reason && next.hint === state.hint;
  return isSame ? state : next;
}

/** Whether changes of the collection are skipped. */
export const isSkipped = ({ name }: CollectionState): boolean => name === "paused" || name === "failed";

/** A collection that is to be read from its start, as the snapshot's state contains it. */
export interface Requeued extends Namespace {
  /** Whether stale rows stay. */
  readonly keepsStale?: boolean;
  /** Whether its changes are skipped until then. */
  readonly skipped?: boolean;
  /** The id of the request that alone needs it, and may be cancelled. */
  readonly request?: string;
}
