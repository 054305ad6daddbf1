/** The results as JSON and as a table. */
import type { CpuTimes, Sample } from "./sample.ts";

export interface Result extends Omit<Sample, "seconds"> {
  readonly line: string;
  /** Of the program. */
  readonly name: string;
  readonly changesPerSecond: number;
  readonly delay?: Percentiles | undefined;
}

export interface Report {
  readonly date: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly machine: { readonly cpus: number; readonly memory: number };
  readonly results: readonly Result[];
}

/** In milliseconds. */
export interface Percentiles {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

/** Nearest ranks. @example IN: 1, 2, … 100 → OUT: {p50: 50, p90: 90, p99: 99, max: 100}; IN: nothing → OUT: undefined */
export function percentiles(values: Iterable<number>): Percentiles | undefined {
  const sorted = Float64Array.from(values).sort();
  if (sorted.length === 0) return undefined;
  const at = (percent: number) => sorted[Math.ceil(sorted.length * percent / 100) - 1] ?? NaN;
  return { p50: at(50), p90: at(90), p99: at(99), max: at(100) };
}

const whole = (value: number | undefined): string | undefined =>
  value === undefined ? undefined : Math.round(value).toLocaleString("en");
const cpuOf = (name: keyof CpuTimes) => ({ cpu }: Result) => cpu[name]?.toFixed(1);
const delayOf = (name: keyof Percentiles) => ({ delay }: Result) => whole(delay?.[name]);

const COLUMNS: Readonly<Record<string, (result: Result) => string | undefined>> = {
  "line": ({ line }) => line,
  "program": ({ name }) => name,
  "changes": ({ changes }) => whole(changes),
  "a second": ({ changesPerSecond }) => whole(changesPerSecond),
  "µs program": cpuOf("program"),
  "µs MongoDB": cpuOf("mongodb"),
  "µs CrateDB": cpuOf("cratedb"),
  "p50 ms": delayOf("p50"),
  "p90 ms": delayOf("p90"),
  "p99 ms": delayOf("p99"),
  "peak MB": ({ memory }) => memory === undefined ? undefined : whole(memory / 2 ** 20),
};

/** Columns aligned to the left. */
const TEXTS = 2;

/** Formats a line for each result, without empty columns. */
export function table(results: readonly Result[]): string[] {
  const columns = Object.entries(COLUMNS).flatMap(([title, value], at) => {
    const cells = [title, ...results.map((result) => value(result) ?? "")];
    if (cells.slice(1).every((cell) => cell === "")) return [];
    const width = Math.max(...cells.map(({ length }) => length));
    return [cells.map((cell) => at < TEXTS ? cell.padEnd(width) : cell.padStart(width))];
  });
  return [undefined, ...results].map((_, row) => columns.map((cells) => cells[row]).join("  ").trimEnd());
}
