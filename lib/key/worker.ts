/**
 * A part of all documents, by a hash of their `_id`: several relays divide a stream among them. Each part is a stream of
 * its own; its name tells which.
 */

import { streamKey } from "./stream_name.ts";

export interface Worker {
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
export function parseWorker(text: string): Worker {
  const [, index, count] = /^(\d{1,4})\/(\d{1,4})$/.exec(text) ?? [];
  if (index === undefined || count === undefined || Number(index) >= Number(count)) {
    throw new RangeError("is not K/N, with K from 0 to N - 1");
  }
  return { index: Number(index), count: Number(count) };
}

const workerText = ({ index, count }: Worker): string => `${index}/${count}`;

const WORKER_STREAM = /^(.*) \(worker (\d+\/\d+)\)$/s;

/**
 * The name of a stream, or of a part of it.
 *
 * @example
 * IN: shop.* -> doc.t, {index: 1, count: 4} → OUT: shop.* -> doc.t (worker 1/4)
 */
export const streamOfWorker = (whole: string, worker: Worker | undefined): string =>
  worker ? `${whole} (worker ${workerText(worker)})` : whole;

/**
 * The stream that a name is of, and which part.
 *
 * @example
 * IN: shop.* -> doc.t (worker 1/4) → OUT: {whole: "shop.* -> doc.t", worker: {index: 1, count: 4}}
 */
export function partsOfStream(
  stream: string,
): { readonly whole: string; readonly worker: Worker | undefined } {
  const [, whole, worker] = WORKER_STREAM.exec(stream) ?? [];
  return whole === undefined || worker === undefined
    ? { whole: stream, worker: undefined }
    : { whole, worker: parseWorker(worker) };
}

/**
 * All streams that divide the documents of one among them, itself included.
 *
 * @example
 * IN: shop.* -> doc.t → OUT: ["shop.* -> doc.t"]
 * IN: … (worker 1/2) → OUT: ["… (worker 0/2)", "… (worker 1/2)"]
 */
export function siblingsOf(stream: string): readonly string[] {
  const { whole, worker } = partsOfStream(stream);
  if (!worker) return [stream];
  const { count } = worker;
  return Array.from({ length: count }, (_, index) => streamOfWorker(whole, { index, count }));
}

/** Whether a stream is the one that is named, or a part of it. */
export function isStreamOf(stream: string, named: string): boolean {
  const key = streamKey(named);
  return streamKey(stream) === key || streamKey(partsOfStream(stream).whole) === key;
}

/** Whether two streams are of the same documents, divided in other parts. @example IN: … (worker 0/2), … (worker 0/3) → OUT: true */
export function isDividedOtherwise(stream: string, other: string): boolean {
  const [one, two] = [partsOfStream(stream), partsOfStream(other)];
  return streamKey(one.whole) === streamKey(two.whole) && one.worker?.count !== two.worker?.count;
}
