/** Runs a line of the benchmark: its ceilings, and every contender in turn. */
import { messageOf } from "../../lib/util/errors.ts";
import { progress } from "../servers/progress.ts";
import { live, snapshot } from "./arrival.ts";
import { drainBacklog, prepareBacklog } from "./backlog.ts";
import type { Bed } from "./bed.ts";
import { type Contender, type Relay, relayContender, toolContender } from "./contender.ts";
import { SCALES, type Shape } from "./documents.ts";
import { drainAlone } from "./drain_alone.ts";
import { freshness } from "./freshness.ts";
import type {
  BacklogLine,
  FreshnessLine,
  Line,
  LiveLine,
  ReadyMade,
  SnapshotLine,
  VerificationLine,
} from "./lines.ts";
import type { BenchOptions, TransportName } from "./options.ts";
import { readyMade } from "./ready_made.ts";
import type { Result } from "./report.ts";
import type { Sample } from "./sample.ts";
import { verification } from "./verification.ts";

export interface Run {
  readonly bed: Bed;
  readonly options: BenchOptions;
  readonly add: (result: Result) => void;
  /** Is told of what could not be measured. */
  readonly fail: (message: string) => void;
}

/** What goes wrong with one contender does not end the line. */
export async function runLine(line: Line, run: Run): Promise<void> {
  switch (line.kind) {
    case "backlog":
      return await runBacklog(line, run);
    case "snapshot":
      return await runArrival(line, snapshot, run);
    case "live":
      return await runArrival(line, live, run);
    case "freshness":
      return await runFreshness(line, run);
    case "verification":
      return await runVerification(line, run);
  }
}

/** Inserts a second at which other tools are measured. */
const TOOL_RATE = 10;

async function runBacklog(line: BacklogLine, { bed, options, add, fail }: Run): Promise<void> {
  const { title, shape } = line;
  const changes = countOf(shape, options);
  let drain: Sample | undefined;
  for (const transport of options.transports) {
    const ceiling = await ceilingOf(line, { bed, options, add, fail }, transport);
    for (const relay of relaysOver(transport, bed, options)) {
      await attempt(title, relay, fail, async () => {
        await using backlog = await prepareBacklog(line, { bed, relay, changes });
        if (drain === undefined) {
          drain = await drainAlone(bed, backlog);
          add({ line: title, name: "drain alone", transport: undefined, ...figures(drain) });
        }
        const taken = await drainBacklog(backlog, { bed, relay });
        add(resultOf(title, relay, taken, { drain: part(taken, drain), readyMade: part(taken, ceiling) }));
      });
    }
  }
}

async function runArrival(
  line: SnapshotLine | LiveLine,
  measure: typeof snapshot,
  run: Run,
): Promise<void> {
  const { bed, options, add, fail } = run;
  const { title, shape } = line;
  const count = countOf(shape, options);
  const measured = (contender: Contender, reached?: (taken: Sample) => Result["reached"]) =>
    attempt(title, contender, fail, async () => {
      const taken = await measure({ bed, contender, shape, count });
      if (taken.changes === 0) throw new Error("No row came");
      add(resultOf(title, contender, taken, reached?.(taken)));
    });
  for (const transport of options.transports) {
    const ceiling = await ceilingOf({ ...line, readyMade: "new keys" }, run, transport);
    for (const relay of relaysOver(transport, bed, options)) {
      await measured(relay, (taken) => ({ readyMade: part(taken, ceiling) }));
    }
  }
  for (const tool of options.against) await measured(toolContender(bed, tool));
}

async function runFreshness(
  { title, rates }: FreshnessLine,
  { bed, options, add, fail }: Run,
): Promise<void> {
  for (const rate of rates) {
    const line = `${title} at ${rate.toLocaleString("en")}/s`;
    const contenders: Contender[] = [
      ...options.transports.flatMap((transport) => relaysOver(transport, bed, options)),
      ...rate <= TOOL_RATE ? options.against.map((tool) => toolContender(bed, tool)) : [],
    ];
    for (const contender of contenders) {
      await attempt(line, contender, fail, async () => {
        const taken = await freshness({ rate, seconds: options.seconds }, { bed, contender });
        const { delay, query } = taken;
        add({ ...resultOf(line, contender, taken), delay, query });
      });
    }
  }
}

async function runVerification(
  { title, shape }: VerificationLine,
  { bed, options, add, fail }: Run,
): Promise<void> {
  const count = countOf(shape, options);
  for (const transport of options.transports) {
    for (const relay of relaysOver(transport, bed, options)) {
      await attempt(title, relay, fail, async () => {
        const taken = await verification({ bed, relay, shape, count });
        if (taken.changes === 0) throw new Error("Something differs");
        add(resultOf(title, relay, taken));
      });
    }
  }
}

async function ceilingOf(
  { title, shape, readyMade: how }: {
    readonly title: string;
    readonly shape: Shape;
    readonly readyMade: ReadyMade;
  },
  { bed, options, add }: Run,
  transport: TransportName,
): Promise<Sample> {
  const { [how]: ceiling } = await readyMade(bed, { shape, count: countOf(shape, options), transport });
  add({ line: title, name: `ready-made, ${how}`, transport, ...figures(ceiling) });
  return ceiling;
}

async function attempt(
  line: string,
  { name }: Contender,
  fail: Run["fail"],
  measure: () => Promise<void>,
): Promise<void> {
  progress(`${line}: ${name} …`);
  await measure().catch((error) => fail(`${line}: ${name}: ${messageOf(error)}`));
}

const relaysOver = (transport: TransportName, bed: Bed, { programs }: BenchOptions): Relay[] =>
  programs.map((program) => relayContender(bed, program, transport));

const countOf = (shape: Shape, { changes }: BenchOptions): number => Math.ceil(changes / SCALES[shape].share);

const rateOf = ({ changes, seconds }: Sample): number => changes / seconds;
const part = (sample: Sample, ceiling: Sample): number => rateOf(sample) / rateOf(ceiling);
const figures = (sample: Sample) => ({
  changes: sample.changes,
  changesPerSecond: rateOf(sample),
  cpu: sample.cpu,
});

const resultOf = (
  line: string,
  { name, transport }: Contender,
  sample: Sample,
  reached: Result["reached"] = {},
): Result => ({ line, name, transport, ...figures(sample), memory: sample.memory, reached });
