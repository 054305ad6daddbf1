/** How fast a relay drains what has been written while it was away. */
import type { Bed, Place } from "./bed.ts";
import type { Relay } from "./contender.ts";
import { tokenNow } from "./raw_stream.ts";
import { type BacklogLine, insertDocuments } from "./lines.ts";
import { type Sample, sample } from "./sample.ts";
import { type Outcome, visible } from "./visible.ts";

/** A collection with changes that a relay which has been stopped does not have yet. */
export interface Backlog extends AsyncDisposable {
  readonly place: Place;
  readonly outcome: Outcome;
  /** The resume token from before the changes. */
  readonly token: Uint8Array;
}

export async function prepareBacklog(
  { shape, rowsBefore, write }: BacklogLine,
  { bed, relay, changes }: { readonly bed: Bed; readonly relay: Relay; readonly changes: number },
): Promise<Backlog> {
  await using preparing = new AsyncDisposableStack();
  const place = preparing.use(await relay.place());
  const { collection } = place;
  await bed.client.db(collection.dbName).createCollection(collection.collectionName);
  await insertDocuments(collection, { shape, count: rowsBefore(changes) });
  {
    await using running = relay.start(place);
    await relay.following(running, place);
    await running.kill("SIGTERM");
  }
  const token = await tokenNow(bed, place);
  const outcome = await write(collection, changes);
  const prepared = preparing.move();
  return { place, outcome, token, [Symbol.asyncDispose]: () => prepared.disposeAsync() };
}

/** From the moment in which the relay goes on to the last row. */
export async function drainBacklog(
  { place, outcome }: Backlog,
  { bed, relay }: { readonly bed: Bed; readonly relay: Relay },
): Promise<Sample> {
  await using running = relay.start(place);
  await running.waitForLine(/Resuming from the saved position/);
  const { pid } = running;
  const transport = bed.transports[relay.transport];
  const taken = await sample(() => visible(transport, place.table, outcome), { pid, cpu: bed.cpu });
  await running.kill("SIGTERM");
  return taken;
}
