/** The results as JSON and as a table. */
import type { CpuTimes, Percentiles, Sample } from "./sample.ts";

export interface Result extends Omit<Sample, "seconds"> {
  readonly line: string;
  /** Of the program. */
  readonly name: string;
  readonly changesPerSecond: number;
}

export interface Report {
  readonly date: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly machine: { readonly cpus: number; readonly memory: number };
  readonly results: readonly Result[];
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

/** Formats a line for each result, without empty columns. */
export function table(results: readonly Result[]): string[] {
  const columns = Object.entries(COLUMNS).flatMap(([title, value]) => {
    const cells = [title, ...results.map((result) => value(result) ?? "")];
    if (cells.slice(1).every((cell) => cell === "")) return [];
    const width = Math.max(...cells.map(({ length }) => length));
    return [
      cells.map((cell) => ["line", "program"].includes(title) ? cell.padEnd(width) : cell.padStart(width)),
    ];
  });
  return [undefined, ...results].map((_, row) => columns.map((cells) => cells[row]).join("  ").trimEnd());
}
