/** Replies of a change stream that no server has given. */
import { BSON, type Document } from "mongodb";
import { batchesOf, type ChangeBatch } from "../../lib/source/stream/change_stream.ts";
import { SplitEvents } from "../../lib/source/stream/event.ts";

interface Tokens {
  /** Before the first event. @default {none} */
  readonly before?: Uint8Array | null;
  /** After the last one. @default {an empty one} */
  readonly after?: Uint8Array;
}

/** The batches of a reply with these events. */
export function batchesOfReply(
  events: readonly Document[],
  { before = null, after = new Uint8Array() }: Tokens = {},
): ChangeBatch[] {
  const documents = events.map((event) => BSON.serialize(event));
  const reply = {
    cursorId: 1n,
    collection: "orders",
    events: documents,
    token: after,
    operationTime: undefined,
  };
  return [...batchesOf(reply, { split: new SplitEvents(), token: before })];
}
