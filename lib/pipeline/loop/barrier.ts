/** Holds back events of whole collections until the other relays of a divided stream are ready for them. */
import type { ChangeBatch } from "../../source/stream/change_stream.ts";
import type { CollectionEvent } from "../../source/stream/event.ts";
import type { SnapshotState } from "../snapshot/snapshot_state.ts";

/** The state of a relay right before an event. */
export interface Applied {
  /** BSON of the token before the event. */
  readonly token: ChangeBatch["tokenBeforeEvent"];
  /** The rest of the snapshot; null for none. */
  readonly snapshot: SnapshotState | null;
}

export interface Barrier {
  /** @param applied all changes before the event */
  pass(event: CollectionEvent, applied: Applied): Promise<void>;
}

/** For a relay that replicates all documents. */
export const NO_BARRIER: Barrier = { pass: () => Promise.resolve() };
