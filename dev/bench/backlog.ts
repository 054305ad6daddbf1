/** How fast a relay drains what has been written while it was away. */
import { mostMemory } from "../process/most_memory.ts";
import type { Bed, Place } from "./bed.ts";
import { tokenNow } from "./drain_alone.ts";
import { type BacklogLine, insertDocuments } from "./lines.ts";
import { type Sample, sample } from "./sample.ts";
import { type Contender, READY_TIMEOUT_MS, startRelay } from "./start_relay.ts";
import { type Outcome, visible } from "./visible.ts";

/** A collection with changes that a relay which has been stopped does not have yet. */
export interface Backlog extends AsyncDisposable {
  readonly place: Place;
  readonly outcome: Outcome;
  /** The resume token from before the changes. */
  readonly token: Uint8Array;
}

export async function prepareBacklog(
  line: BacklogLine,
  { bed, contender, changes }: {
    readonly bed: Bed;
    readonly contender: Contender;
    readonly changes: number;
  },
): Promise<Backlog> {
  await using preparing = new AsyncDisposableStack();
  const place = preparing.use(bed.place());
  await bed.client.db(place.database).createCollection(place.collection.collectionName);
  await insertDocuments(place.collection, { shape: line.shape, count: line.rowsBefore(changes) });
  {
    await using relay = startRelay(contender, { bed, place });
    await relay.waitForLine(/\bReady\b/, { timeout: READY_TIMEOUT_MS });
    await relay.kill("SIGTERM");
  }
  const token = await tokenNow(bed, place);
  const outcome = await line.write(place.collection, changes);
  const prepared = preparing.move();
  return { place, outcome, token, [Symbol.asyncDispose]: () => prepared.disposeAsync() };
}

export interface RelaySample extends Sample {
  /** The most memory that the process has had, in bytes. */
  readonly memory: number | undefined;
}

/** From the moment in which the relay goes on to the last row. */
export async function drainBacklog(
  { place, outcome }: Backlog,
  { bed, contender }: { readonly bed: Bed; readonly contender: Contender },
): Promise<RelaySample> {
  await using relay = startRelay(contender, { bed, place });
  const { pid } = relay;
  await relay.waitForLine(/Going on from the saved position/);
  const taken = await sample(
    () => visible(bed.transports[contender.transport], place.table, outcome),
    { pid, changes: outcome.changes, cpu: bed.cpu },
  );
  const memory = await mostMemory(pid);
  await relay.kill("SIGTERM");
  return { ...taken, memory };
}
