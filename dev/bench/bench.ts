/**
 * How fast the relay is, beside what the databases take and give alone, in one run on the same servers. The ratios
 * count; the times are those of this machine. See `docs/benchmarks.md`.
 *
 *     deno task bench [--lines inserts,freshness] [--program name='COMMAND' …] [--json FILE]
 */
import { UsageError } from "../../lib/util/errors.ts";
import { STDOUT } from "../../lib/util/standard_streams.ts";
import { queryCratedb } from "../servers/query_cratedb.ts";
import { progress } from "../servers/progress.ts";
import { type Bed, openBed } from "./bed.ts";
import { LINES } from "./lines.ts";
import { type BenchOptions, parseOptions } from "./options.ts";
import { readyMade } from "./ready_made.ts";
import { type Report, type Result, table } from "./report.ts";
import { runLine } from "./run_line.ts";

/** @returns whether all could be measured */
async function bench(options: BenchOptions): Promise<boolean> {
  await using bed = await openBed();
  const versions = await versionsOf(bed);
  await warmUp(bed, options);
  const results: Result[] = [];
  const failures: string[] = [];
  const add = (result: Result) => {
    results.push(result);
    progress(table([result]).join("\n"));
  };
  const fail = (message: string) => {
    failures.push(message);
    progress(message);
  };
  for (const name of options.lines) await runLine(LINES[name], { bed, options, add, fail });
  const report: Report = {
    date: new Date().toISOString(),
    versions,
    machine: { cpus: navigator.hardwareConcurrency, memory: Deno.systemMemoryInfo().total },
    results,
  };
  if (options.json !== undefined) {
    await Deno.writeTextFile(options.json, `${JSON.stringify(report, null, 2)}\n`);
  }
  STDOUT.write(`${[...table(results), ...failures].join("\n")}\n`);
  return failures.length === 0;
}

/** @example OUT: {Deno: "2.9.0", MongoDB: "7.0.2", CrateDB: "5.7.6"} */
async function versionsOf({ client, sinkUrls }: Bed): Promise<Report["versions"]> {
  const { version } = await client.db("admin").command({ buildInfo: 1 });
  const [node] = await queryCratedb(
    sinkUrls.http,
    "SELECT version['number'] AS number FROM sys.nodes LIMIT 1",
  );
  return { Deno: Deno.version.deno, MongoDB: version, CrateDB: String(node?.number) };
}

/** So that the server's compiler and caches are as they are after a while. */
async function warmUp(bed: Bed, { warmUp, transports }: BenchOptions): Promise<void> {
  if (warmUp === 0) return;
  progress(`Warming up with ${warmUp} rows …`);
  const count = Math.ceil(warmUp / 2 / transports.length); // Each row is written twice.
  for (const transport of transports) await readyMade(bed, { shape: "small", count, transport });
}

if (import.meta.main) {
  try {
    if (!await bench(parseOptions(Deno.args))) Deno.exit(1);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    progress(error.message);
    Deno.exit(2);
  }
}
