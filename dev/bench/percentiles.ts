/** What a part of the values does not exceed, by nearest rank. */

export interface Percentiles {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

/** @example IN: 1, 2, … 100 → OUT: {p50: 50, p90: 90, p99: 99, max: 100}; IN: nothing → OUT: undefined */
export function percentiles(values: Iterable<number>): Percentiles | undefined {
  const sorted = Float64Array.from(values).sort();
  if (sorted.length === 0) return undefined;
  const at = (percent: number) => sorted[Math.ceil(sorted.length * percent / 100) - 1] ?? NaN;
  return { p50: at(50), p90: at(90), p99: at(99), max: at(100) };
}
