/** The source of updated documents that one change stream asks for, if its collections have different ones. */
import type { Document } from "mongodb";
import type { FullDocument } from "./open_stream.ts";

/**
 * What serves all of these collections. An event without its document is looked up, so this decides how much is looked
 * up, and never what is written. MongoDB gives post-images or looked-up documents: post-images are of the time of the event.
 *
 * @example
 * IN: lookup, required → OUT: whenAvailable; IN: lookup, updateLookup → OUT: updateLookup
 * IN: collections with a transform, which MongoDB applies to looked-up documents → OUT: none
 */
export function requestedDocument(
  collections: readonly { readonly transform: readonly Document[]; readonly fullDocument: FullDocument }[],
): FullDocument | "none" {
  const wanted = new Set(collections.flatMap((each) => each.transform.length > 0 ? [] : each.fullDocument));
  if (wanted.size < 2) return [...wanted][0] ?? "none";
  return wanted.has("required") || wanted.has("whenAvailable") ? "whenAvailable" : "updateLookup";
}
