/** The results as JSON and as a table. */
import type { CpuTimes } from "./cpu.ts";
import type { Percentiles } from "./percentiles.ts";
import type { TransportName } from "./options.ts";

export interface Result {
  readonly line: string;
  /** A program, or the ceiling that is measured beside it. */
  readonly name: string;
  /** Undefined where CrateDB is not used. */
  readonly transport: TransportName | undefined;
  readonly changes: number;
  readonly changesPerSecond: number;
  /** Of each process, in microseconds a change. */
  readonly cpu: CpuTimes;
  /** In bytes. */
  readonly memory?: number | undefined;
  /** Part of the rate of each ceiling that is reached. */
  readonly reached?: { readonly drain?: number; readonly readyMade?: number };
  /** In milliseconds. */
  readonly delay?: Percentiles | undefined;
  readonly query?: Percentiles | undefined;
}

export interface Report {
  readonly date: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly machine: { readonly cpus: number; readonly memory: number };
  readonly results: readonly Result[];
}

interface Column {
  readonly title: string;
  readonly value: (result: Result) => string | undefined;
}

const whole = (value: number | undefined): string | undefined =>
  value === undefined ? undefined : Math.round(value).toLocaleString("en");
const tenths = (value: number | undefined): string | undefined => value?.toFixed(1);
const percent = (value: number | undefined): string | undefined =>
  value === undefined ? undefined : `${Math.round(value * 100)} %`;

const COLUMNS: readonly Column[] = [
  { title: "line", value: ({ line }) => line },
  { title: "what", value: ({ name }) => name },
  { title: "over", value: ({ transport }) => transport },
  { title: "changes", value: ({ changes }) => whole(changes) },
  { title: "a second", value: ({ changesPerSecond }) => whole(changesPerSecond) },
  { title: "µs program", value: ({ cpu }) => tenths(cpu.program) },
  { title: "µs MongoDB", value: ({ cpu }) => tenths(cpu.mongodb) },
  { title: "µs CrateDB", value: ({ cpu }) => tenths(cpu.cratedb) },
  { title: "of drain", value: ({ reached }) => percent(reached?.drain) },
  { title: "of ready-made", value: ({ reached }) => percent(reached?.readyMade) },
  { title: "p50 ms", value: ({ delay }) => whole(delay?.p50) },
  { title: "p90 ms", value: ({ delay }) => whole(delay?.p90) },
  { title: "p99 ms", value: ({ delay }) => whole(delay?.p99) },
  { title: "peak MB", value: ({ memory }) => whole(memory === undefined ? undefined : memory / 2 ** 20) },
];

const TEXTS = 3;

/** A line for each result; columns that nothing has are left out. */
export function table(results: readonly Result[]): string[] {
  const cells = COLUMNS.map(({ title, value }) => [title, ...results.map((result) => value(result) ?? "")]);
  const columns = cells.flatMap((column, at) => {
    if (column.slice(1).every((cell) => cell === "")) return [];
    const width = Math.max(...column.map(({ length }) => length));
    return [column.map((cell) => at < TEXTS ? cell.padEnd(width) : cell.padStart(width))];
  });
  return Array.from(
    { length: results.length + 1 },
    (_, row) => columns.map((column) => column[row]).join("  ").trimEnd(),
  );
}
