/**
 * Measures relays, and other tools, in one run on the same servers. See `docs/benchmarks.md`.
 *
 *     deno task bench [--lines inserts,freshness] [--program name='COMMAND' …] [--json FILE]
 */
import { messageOf, UsageError } from "../../lib/util/errors.ts";
import { STDOUT } from "../../lib/util/standard_streams.ts";
import { progress } from "../servers/progress.ts";
import { queryCratedb } from "../servers/query_cratedb.ts";
import { type Bed, openBed } from "./bed.ts";
import { type Contender, relayContender, toolContender } from "./contender.ts";
import { SCALES } from "./documents.ts";
import { type Line, LINES } from "./lines.ts";
import { type BenchOptions, OWN, parseOptions } from "./options.ts";
import { type Report, type Result, table } from "./report.ts";

/** @returns whether all measurements succeeded */
async function bench(options: BenchOptions): Promise<boolean> {
  await using bed = await openBed();
  const versions = await versionsOf(bed);
  if (options.warmUp > 0) {
    progress(`Warming up with ${options.warmUp} rows …`);
    const warmUp: BenchOptions = { ...options, changes: options.warmUp };
    await measure(LINES.snapshot[0], relayContender(bed, OWN), { bed, options: warmUp });
  }
  const contenders = [
    ...options.programs.map((program) => relayContender(bed, program)),
    ...options.against.map((program) => toolContender(bed, program)),
  ];
  const results: Result[] = [];
  const failures: string[] = [];
  for (const line of options.lines.flatMap<Line>((name) => LINES[name])) {
    for (const contender of contenders.filter(({ verify }) => line.anyTool || verify)) {
      const title = `${line.title}: ${contender.name}`;
      progress(`${title} …`);
      try {
        const result = await measure(line, contender, { bed, options });
        results.push(result);
        progress(table([result]).join("\n"));
      } catch (error) {
        failures.push(`${title}: ${messageOf(error)}`);
        progress(messageOf(error));
      }
    }
  }
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

async function measure(
  line: Line,
  contender: Contender,
  { bed, options }: { readonly bed: Bed; readonly options: BenchOptions },
): Promise<Result> {
  const count = Math.ceil(options.changes / SCALES[line.shape].share);
  const { shape, flags } = line;
  const sample = await line.measure({ bed, contender, shape, flags, count, seconds: options.seconds });
  if (sample.changes === 0) throw new Error("No change became a row");
  const { seconds, ...figures } = sample;
  return {
    line: line.title,
    name: contender.name,
    changesPerSecond: sample.changes / seconds,
    ...figures,
  };
}

/** @example OUT: {Deno: "2.9.0", MongoDB: "7.0.2", CrateDB: "5.7.6"} */
async function versionsOf({ client, cratedbUrl }: Bed): Promise<Report["versions"]> {
  const { version } = await client.db("admin").command({ buildInfo: 1 });
  const [node] = await queryCratedb(
    cratedbUrl,
    "SELECT version['number'] AS number FROM sys.nodes LIMIT 1",
  );
  return { Deno: Deno.version.deno, MongoDB: version, CrateDB: String(node?.number) };
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
