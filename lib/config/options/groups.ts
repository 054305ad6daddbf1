/** The headings that help and docs show options under. */
import type { Option } from "./option.ts";

/** Flags by heading, in the order of the help. */
const GROUPS = {
  "What is followed": ["database", "collection", "exclude", "key"],
  "Documents": ["filter", "only", "omit", "pipeline", "full-document"],
  "Tables": ["table", "columns", "shards", "widen", "widen-rows", "on-drop"],
  "Snapshot": ["snapshot", "snapshot-lanes", "snapshot-rate", "on-history-lost"],
  "Comparison": ["compare", "sample", "differences", "settle", "generations"],
  "Waiting": ["at", "timeout"],
  "Forgetting": ["stream", "confirm"],
  "Workload": ["count", "mix", "rate", "seed"],
  "Several relays": ["worker", "lease", "on-held"],
  "Monitoring": ["listen", "max-lag", "runs", "output"],
  "Load and memory": [
    "refresh-interval",
    "save-interval",
    "max-memory",
    "batch-size",
    "batch-bytes",
    "statement-rows",
    "statement-bytes",
    "in-flight",
  ],
  "Failures": ["retry-for", "max-dead-letters"],
  "Connections": [
    "mongodb-url",
    "mongodb-url-file",
    "cratedb-url",
    "cratedb-url-file",
    "cratedb-jwt",
    "cratedb-jwt-file",
    "cratedb-ca",
    "cratedb-cert",
    "cratedb-key",
  ],
  "Log": ["log-format", "log-level"],
} as const satisfies Readonly<Record<string, readonly string[]>>;

export interface OptionGroup<Each extends Option = Option> {
  readonly title: string;
  readonly options: readonly Each[];
}

/**
 * Options under their headings.
 *
 * @example
 * IN: [--mongodb-url, --database, --exclude] → OUT: [{title: "What is followed", …}, {title: "Connections", …}]
 *
 * @throws Error for an option without a heading
 */
export function grouped<Each extends Option>(options: readonly Each[]): OptionGroup<Each>[] {
  const headed: readonly string[] = Object.values(GROUPS).flat();
  const stray = options.find(({ flag }) => !headed.includes(flag));
  if (stray) throw new Error(`No heading for the option --${stray.flag}`);
  return Object.entries<readonly string[]>(GROUPS)
    .map(([title, flags]) => ({ title, options: options.filter(({ flag }) => flags.includes(flag)) }))
    .filter(({ options }) => options.length > 0);
}
