/** Names of streams. Lists in them are sets: order and repetition have no meaning. */

/** Names as in a stream's name: sorted, each once. @example IN: ["b", "a", "a"] → OUT: ["a", "b"] */
export const asSet = (names: readonly string[]): readonly string[] => [...new Set(names)].sort();

/** A list of several names, and the excluded ones. Placeholders of a table have no comma. */
const LIST = /\{([^{}]*,[^{}]*)\}/g;
const EXCLUDED = / without (.*?) -> /s;

/** @example IN: shop.{users,orders} without b,a -> doc.t → OUT: shop.{orders,users} without a,b -> doc.t */
export const streamKey = (stream: string): string =>
  stream
    .replace(LIST, (_, list: string) => {
      const names = asSet(list.split(","));
      return names.length === 1 ? `${names[0]}` : `{${names.join()}}`;
    })
    .replace(EXCLUDED, (_, list: string) => ` without ${asSet(list.split(",")).join()} -> `);

/** One of the parts that a stream is divided into. The first one has the index 0. */
export interface StreamPart {
  readonly index: number;
  readonly count: number;
}

/** @example IN: 1/4 → OUT: {index: 1, count: 4} */
export function parsePart(text: string): StreamPart {
  const [, index, count] = /^(\d{1,4})\/(\d{1,4})$/.exec(text) ?? [];
  if (index === undefined || count === undefined || Number(index) >= Number(count)) {
    throw new RangeError("is not K/N, with K from 0 to N - 1");
  }
  return { index: Number(index), count: Number(count) };
}

const PART = /^(.*) \(worker (\d+\/\d+)\)$/s;

/** @example IN: shop.* -> doc.t, {index: 1, count: 4} → OUT: shop.* -> doc.t (worker 1/4) */
export const streamOfPart = (whole: string, part: StreamPart | undefined): string =>
  part ? `${whole} (worker ${part.index}/${part.count})` : whole;

/** @example IN: shop.* -> doc.t (worker 1/4) → OUT: {whole: "shop.* -> doc.t", part: {index: 1, count: 4}} */
export function partsOfStream(
  stream: string,
): { readonly whole: string; readonly part: StreamPart | undefined } {
  const [, whole = stream, part] = PART.exec(stream) ?? [];
  return { whole, part: part === undefined ? undefined : parsePart(part) };
}

/** @example IN: … (worker 1/2) → OUT: ["… (worker 0/2)", "… (worker 1/2)"]; IN: a whole stream → OUT: [itself] */
export function siblingsOf(stream: string): readonly string[] {
  const { whole, part } = partsOfStream(stream);
  if (!part) return [stream];
  return Array.from({ length: part.count }, (_, index) => streamOfPart(whole, { ...part, index }));
}

/** Whether a stream has this name, or is a part of the stream with this name. */
export function isStreamOf(stream: string, named: string): boolean {
  const key = streamKey(named);
  return streamKey(stream) === key || streamKey(partsOfStream(stream).whole) === key;
}
