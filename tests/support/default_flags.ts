/**
 * The flags that a test did not give: `--database` stands for the collection too.
 *
 * @example
 * IN: {database: "a", collection: "b", table: "c"}, ["--table", "d"] → OUT: ["--database", "a", "--collection", "b"]
 * IN: {database: "a", collection: "b", table: "c"}, ["--database", "e"] → OUT: ["--table", "c"]
 */
export function defaultFlags(target: Readonly<Record<string, string>>, args: readonly string[]): string[] {
  const given = new Set(args.map((arg) => arg.split("=")[0]));
  if (given.has("--database")) given.add("--collection");
  return Object.entries(target).flatMap(([flag, value]) =>
    given.has(`--${flag}`) ? [] : [`--${flag}`, value]
  );
}

/** Tables of one shard are made and dropped faster. */
export const ONE_SHARD = { shards: "1" };
