/**
 * A part of all documents, by a hash of their `_id`: several relays divide a stream among them. Each part is a stream of
 * its own; its name tells which.
 */

import { streamKey } from "./stream_name.ts";

export interface Partition {
  /** From 0. */
  readonly index: number;
  readonly count: number;
}

/**
 * @example
 * IN: 1/4 → OUT: {index: 1, count: 4}
 *
 * @throws RangeError
 */
export function parsePartition(text: string): Partition {
  const [, index, count] = /^(\d{1,4})\/(\d{1,4})$/.exec(text) ?? [];
  if (index === undefined || count === undefined || Number(index) >= Number(count)) {
    throw new RangeError("is not K/N, with K from 0 to N - 1");
  }
  return { index: Number(index), count: Number(count) };
}

const partitionText = ({ index, count }: Partition): string => `${index}/${count}`;

const PARTITION_STREAM = /^(.*) \(partition (\d+\/\d+)\)$/s;

/**
 * The name of a stream, or of a part of it.
 *
 * @example
 * IN: shop.* -> doc.t, {index: 1, count: 4} → OUT: shop.* -> doc.t (partition 1/4)
 */
export const streamOfPartition = (whole: string, partition: Partition | undefined): string =>
  partition ? `${whole} (partition ${partitionText(partition)})` : whole;

/**
 * The stream that a name is of, and which part.
 *
 * @example
 * IN: shop.* -> doc.t (partition 1/4) → OUT: {whole: "shop.* -> doc.t", partition: {index: 1, count: 4}}
 */
export function partsOfStream(
  stream: string,
): { readonly whole: string; readonly partition: Partition | undefined } {
  const [, whole, partition] = PARTITION_STREAM.exec(stream) ?? [];
  return whole === undefined || partition === undefined
    ? { whole: stream, partition: undefined }
    : { whole, partition: parsePartition(partition) };
}

/**
 * All streams that divide the documents of one among them, itself included.
 *
 * @example
 * IN: shop.* -> doc.t → OUT: ["shop.* -> doc.t"]
 * IN: … (partition 1/2) → OUT: ["… (partition 0/2)", "… (partition 1/2)"]
 */
export function siblingsOf(stream: string): readonly string[] {
  const { whole, partition } = partsOfStream(stream);
  if (!partition) return [stream];
  const { count } = partition;
  return Array.from({ length: count }, (_, index) => streamOfPartition(whole, { index, count }));
}

/** Whether a stream is the one that is named, or a part of it. */
export function isStreamOf(stream: string, named: string): boolean {
  const key = streamKey(named);
  return streamKey(stream) === key || streamKey(partsOfStream(stream).whole) === key;
}

/** Whether two streams are of the same documents, divided in other parts. @example IN: … (partition 0/2), … (partition 0/3) → OUT: true */
export function isDividedOtherwise(stream: string, other: string): boolean {
  const [one, two] = [partsOfStream(stream), partsOfStream(other)];
  return streamKey(one.whole) === streamKey(two.whole) && one.partition?.count !== two.partition?.count;
}
