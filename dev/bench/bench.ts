/**
 * How fast the relay is, beside what the databases take and give alone, in one run on the same servers. The ratios
 * count; the times are those of this machine. See `docs/benchmarks.md`.
 *
 *     deno task bench [--lines inserts,freshness] [--program name='COMMAND' …]
 */
import { UsageError } from "../../lib/util/errors.ts";
import { writeAll } from "../../lib/util/write_all.ts";
import { tell } from "../servers/tell.ts";
import { drainBacklog, prepareBacklog } from "./backlog.ts";
import { type Bed, openBed } from "./bed.ts";
import { SCALES } from "./documents.ts";
import { drainAlone } from "./drain_alone.ts";
import { freshness } from "./freshness.ts";
import { type BacklogLine, type FreshnessLine, type Line, LINES } from "./lines.ts";
import { type BenchOptions, parseOptions } from "./options.ts";
import { readyMade } from "./ready_made.ts";
import { type Report, type Result, table } from "./report.ts";
import type { Sample } from "./sample.ts";
import { versionsOf } from "./versions.ts";

async function bench(options: BenchOptions): Promise<void> {
  await using bed = await openBed();
  const versions = await versionsOf(bed);
  await warmUp(bed, options);
  const results: Result[] = [];
  const add = (result: Result) => {
    results.push(result);
    tell(table([result]).join("\n"));
  };
  for (const name of options.lines) {
    await LINE_KINDS[LINES[name].kind](LINES[name] as never, { bed, options, add });
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
  writeAll(Deno.stdout, `${table(results).join("\n")}\n`);
}

/** The server's compiler and caches are as they are after a while. */
async function warmUp(bed: Bed, { warmUp, transports }: BenchOptions): Promise<void> {
  if (warmUp === 0) return;
  tell(`Warming up with ${warmUp} rows …`);
  const count = Math.ceil(warmUp / 2 / transports.length);
  for (const transport of transports) await readyMade(bed, { shape: "small", count, transport });
}

interface Run {
  readonly bed: Bed;
  readonly options: BenchOptions;
  readonly add: (result: Result) => void;
}

const LINE_KINDS: {
  readonly [Kind in Line["kind"]]: (line: Extract<Line, { kind: Kind }>, run: Run) => Promise<void>;
} = {
  backlog: benchBacklog,
  freshness: benchFreshness,
};

async function benchBacklog(line: BacklogLine, { bed, options, add }: Run): Promise<void> {
  const { title, shape } = line;
  const changes = Math.ceil(options.changes / SCALES[shape].share);
  let drain: Sample | undefined;
  for (const transport of options.transports) {
    const ceiling = (await readyMade(bed, { shape, count: changes, transport }))[line.readyMade];
    add({ line: title, name: `ready-made, ${line.readyMade}`, transport, ...rated(ceiling) });
    for (const program of options.programs) {
      const contender = { program, transport };
      await using backlog = await prepareBacklog(line, { bed, contender, changes });
      if (drain === undefined) {
        const { place, token, outcome } = backlog;
        drain = await drainAlone(bed, { place, token, changes: outcome.changes });
        add({ line: title, name: "drain alone", transport: undefined, ...rated(drain) });
      }
      const { memory, ...taken } = await drainBacklog(backlog, { bed, contender });
      const reached = { drain: part(taken, drain), readyMade: part(taken, ceiling) };
      add({ line: title, name: program.name, transport, ...rated(taken), memory, reached });
    }
  }
}

async function benchFreshness({ title, rates }: FreshnessLine, { bed, options, add }: Run): Promise<void> {
  for (const rate of rates) {
    for (const transport of options.transports) {
      for (const program of options.programs) {
        const contender = { program, transport };
        const { memory, delay, query, ...taken } = await freshness({ rate, seconds: options.seconds }, {
          bed,
          contender,
        });
        add({
          line: `${title} at ${rate}/s`,
          name: program.name,
          transport,
          ...rated(taken),
          memory,
          delay,
          query,
        });
      }
    }
  }
}

const rateOf = ({ changes, seconds }: Sample): number => changes / seconds;
const part = (sample: Sample, ceiling: Sample): number => rateOf(sample) / rateOf(ceiling);
const rated = (sample: Sample) => ({
  changes: sample.changes,
  changesPerSecond: rateOf(sample),
  cpu: sample.cpu,
});

if (import.meta.main) {
  try {
    await bench(parseOptions(Deno.args));
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    tell(error.message);
    Deno.exit(2);
  }
}
