/** The commands: summary, options, examples, and what runs each. */
import {
  checkConfig,
  configOf,
  ctlConfig,
  fileOf,
  forgetConfig,
  planConfig,
  rebuildTarget,
  statusConfigs,
  verifyConfig,
  waitConfig,
  workloadConfig,
} from "../config/config.ts";
import { type CtlVerb, givenForStream, wordOf } from "../config/ctl_options.ts";
import { OPTIONS } from "../config/options.ts";
import { find, type Given } from "../config/read.ts";
import { STREAM } from "../config/relay_options.ts";
import { type Reword, rewordFor } from "../config/origins.ts";
import { relayConfig } from "../config/relay_settings.ts";
import { UsageError } from "../util/errors.ts";
import { worded } from "../util/log.ts";
import type { Command, CommandContext } from "./command.ts";

interface StreamGiven {
  readonly given: Given;
  /** In the file. */
  readonly name?: string;
}

/** What is given for each stream of the file, or for the one that flags and variables name. */
async function streamsOf(given: Given): Promise<readonly [StreamGiven, ...StreamGiven[]]> {
  const path = fileOf(given);
  if (path === undefined) return [{ given }];
  const { streams } = (await import("../config/relay_file.ts")).openRelayFile(path, given);
  return streams;
}

/** Runs a command. Its log and its errors name the origin of the URLs. */
async function runWith<Context extends Pick<CommandContext, "log">, Result>(
  reword: Reword,
  context: Context,
  run: (context: Context) => Promise<Result>,
): Promise<Result> {
  try {
    return await run({ ...context, log: worded(context.log, reword) });
  } catch (error) {
    // Loaded only now, with the MongoDB driver.
    throw (await import("./reworded.ts")).reworded(error, reword);
  }
}

/** Runs a command for one stream after the other, or together: the first error then ends all. Resolves to the highest exit code. */
async function forEachStream(
  given: Given,
  context: CommandContext,
  run: (given: Given, context: CommandContext, name?: string) => Promise<number>,
  { together = false } = {},
): Promise<number> {
  const streams = await streamsOf(given);
  const runOne = (context: CommandContext) => ({ given: each, name }: StreamGiven) =>
    runWith(rewordFor(each), context, (own) => run(each, own, name));
  if (!together || streams.length === 1) {
    const codes: number[] = [];
    for (const each of streams) codes.push(await runOne(context)(each));
    return Math.max(...codes);
  }
  const end = new AbortController();
  const signal = AbortSignal.any([context.signal, end.signal]);
  const running = streams.map((each) =>
    runOne({ ...context, signal, statusLine: undefined })(each).catch((error) => {
      end.abort(error);
      throw error;
    })
  );
  return Math.max(...await Promise.all(running).finally(() => Promise.allSettled(running)));
}

/** What is given for the stream of the file that `ctl` names; undefined without a file. @throws UsageError for several */
async function fileGivenOf(given: Given): Promise<Given | undefined> {
  if (configOf(given) === undefined) return undefined;
  const [first, ...others] = await streamsOf(given);
  if (others.length === 0) return first.given;
  const names = [first, ...others].map(({ name }) => name).join(", ");
  throw new UsageError("The file has several streams, and --stream does not name one.", {
    hint: `Streams: ${names}.`,
  });
}

function ctl(verb: CtlVerb, summary: string, examples: readonly string[]): Omit<Command, "options"> {
  const argument = wordOf(verb);
  return {
    summary,
    examples,
    ...argument !== undefined && { argument },
    run: async (given, context) => {
      const of = await fileGivenOf(givenForStream(verb, given));
      const { runCtl } = await import("./run_ctl.ts");
      return await runWith(rewordFor(of ?? given), context, (own) => runCtl(ctlConfig(verb, given, of), own));
    },
  };
}

const CTL: Readonly<Record<`ctl ${CtlVerb}`, Omit<Command, "options">>> = {
  "ctl pause": ctl("pause", "Pause a stream; it keeps its lease and position", [
    "--reason 'moving the cluster' --wait",
    "--resume-at 2026-01-31T12:00:00Z",
  ]),
  "ctl resume": ctl("resume", "Resume a paused stream", ["--wait"]),
  "ctl reload": ctl("reload", "Have the relay read its file again, as SIGHUP does", ["--wait"]),
  "ctl list": ctl("list", "List the newest requests to a stream", ["", "--json"]),
  "ctl cancel": ctl("cancel", "Cancel a request that waits or runs", [
    "6f1c2f9e-0d5b-4a57-9c8a-0c7a3e0f5b11",
  ]),
  "ctl snapshot": ctl("snapshot", "Read a collection again, or the documents that match a filter", [
    "shop.orders --wait",
    `shop.orders --filter '{"status": "open"}' --rate 500`,
  ]),
  "ctl letters": ctl("letters", "List, show, retry or discard dead letters", [
    "list --wait",
    "retry --collection shop.orders --wait",
    "discard --oid 17,18",
  ]),
  "ctl rate": ctl("rate", "Change how fast snapshots and verify read", ["--snapshot 500", "--verify 2000"]),
  "ctl stop": ctl("stop", "Stop a stream, now or when everything up to a time is written", [
    "--wait",
    "--at 2026-01-31T12:00:00Z --wait",
  ]),
  "ctl verify": ctl("verify", "Have the relay compare a collection with its table", ["shop.orders --repair"]),
  "ctl rebuild": ctl("rebuild", "Have the relay write a table again, by its design", ["shop.orders --wait"]),
};

const runsForever = (command: "status" | "verify", given: Given): boolean =>
  find("runs", OPTIONS[command].runs, given)?.value === "forever";

/** Each command without its options, which {@linkcode OPTIONS} has by the same name. */
const RUNNING: Readonly<Record<keyof typeof OPTIONS, Omit<Command, "options">>> = {
  "cdc-relay": {
    summary: "Replicate MongoDB collections into CrateDB: take a snapshot, then follow the change stream",
    examples: [
      "",
      "--config relay.yaml",
      "--database shop --exclude 'tmp_*' --listen 127.0.0.1:9464",
      "--database weather --collection readings --table weather.readings",
      `--collection orders --filter '{"status": "open"}' --omit card`,
    ],
    reloads: (given) => fileOf(given) !== undefined,
    tidiesUp: true,
    isEndless: (given) => find("snapshot", STREAM.snapshot, given)?.value !== "only",
    run: async (given, context) => {
      const file = fileOf(given);
      if (file === undefined) {
        const { runRelay } = await import("./run_relay.ts");
        return await runWith(
          rewordFor(given),
          context,
          (own) => runRelay(relayConfig(given), { ...own, given }),
        );
      }
      await (await import("./run_streams.ts")).runFile(file, { ...context, given });
    },
  },
  "check": {
    summary: "Ask both databases whether a relay would work; changes nothing",
    examples: ["--database shop", "--config relay.yaml --strict --json"],
    run: async (given, context) => {
      const { runCheck } = await import("./run_plan.ts");
      return await forEachStream(
        given,
        context,
        (each, own, name) => runCheck({ ...checkConfig(each), name }, own),
      );
    },
  },
  "plan": {
    summary: "Preview the tables, what will not fit in them, and how long the snapshot takes",
    examples: [
      "--database shop",
      "--database shop --output sql",
      "--database shop --measure 10000",
      "--database shop --apply",
    ],
    tidiesUp: true,
    run: async (given, context) => {
      const { runPlan } = await import("./run_plan.ts");
      return await forEachStream(
        given,
        context,
        (each, own, name) => runPlan({ ...planConfig(each), name }, own),
      );
    },
  },
  "status": {
    summary: "Report the state of the streams, from CrateDB alone; for people, machines and health checks",
    examples: ["", "--watch", "--database shop --max-lag 30s --json"],
    isEndless: (given) => runsForever("status", given),
    run: async (given, context) => {
      const [first, ...others] = await streamsOf(given);
      const all = statusConfigs(first.given, ...others.map(({ given }) => given));
      const { runStatus } = await import("./run_status.ts");
      return await runWith(all[0].reword, context, (own) => runStatus(all, own));
    },
  },
  "wait": {
    summary: "Return when CrateDB shows all writes up to now, or to another time",
    examples: ["", "--database shop --collection orders --timeout 30s", "--at 2026-01-31T12:00:00Z"],
    run: async (given, context) => {
      const { runWait } = await import("./run_status.ts");
      // So they share the timeout.
      const together = true;
      return await forEachStream(given, context, (each, own) => runWait(waitConfig(each), own), { together });
    },
  },
  "verify": {
    summary: "Compare collections and tables, also while a relay runs, and repair differences",
    examples: [
      "",
      "--database shop --collection orders --repair",
      "--database shop --sample 10000 --json",
      "--database '*' --watch --rate 2000",
    ],
    tidiesUp: true,
    isEndless: (given) => runsForever("verify", given),
    run: async (given, context) => {
      const { runVerify } = await import("./run_verify.ts");
      return await forEachStream(
        given,
        context,
        (each, own) => runVerify(verifyConfig(each), { ...own, given: each }),
        { together: runsForever("verify", given) },
      );
    },
  },
  "forget": {
    summary: "Delete the saved state of a stream that is no longer needed; tables stay",
    examples: [
      "",
      "--stream 'shop.* -> {database}.{collection}'",
      "--stream 'testdrive.data -> doc.cdc-testdrive' --yes",
    ],
    tidiesUp: true,
    run: async (given, context) => {
      const { runForget } = await import("./run_forget.ts");
      return await runWith(rewordFor(given), context, (own) => runForget(forgetConfig(given), own));
    },
  },
  "rebuild": {
    summary: "Write the table of a collection again, by the design in its settings; MongoDB is not read",
    argument: "target",
    examples: ["shop.orders --config relay.yaml", "shop.orders --database shop --partition-by month=at"],
    tidiesUp: true,
    run: async (given, context) => {
      const streams = (await streamsOf(given)).map(({ given }) => ({ ...relayConfig(given), given }));
      const collection = rebuildTarget(given);
      const { runRebuild, streamOf } = await import("./run_rebuild.ts");
      const relay = streamOf(streams, collection);
      await runWith(rewordFor(relay.given), context, (own) => runRebuild(relay, collection, own));
    },
  },
  ...CTL,
  "config check": {
    summary: "Check relay.yaml without a server: all errors, each with its line",
    argument: "config",
    examples: ["", "deploy/relay.yaml"],
    run: async (given, context) => (await import("./run_config.ts")).checkFile(given, context),
  },
  "config show": {
    summary: "Print the settings in effect, each with its origin; of relay.yaml, or of flags and variables",
    argument: "config",
    examples: ["", "relay.yaml --collection shop.orders"],
    run: async (given, context) => (await import("./run_config.ts")).showSettings(given, context),
  },
  "config diff": {
    summary: "Compare relay.yaml with the settings that its relay uses: what a reload would do",
    argument: "config",
    examples: ["", "relay.yaml --stream shop"],
    run: async (given, context) => await (await import("./run_diff.ts")).diffFile(given, context),
  },
  "config init": {
    summary: "Print a relay.yaml with the settings of flags and variables",
    examples: ["", "--database shop --exclude 'tmp_*' > relay.yaml"],
    run: async (given, context) => (await import("./run_config.ts")).printFile(given, context),
  },
  "config schema": {
    summary: "Print the JSON Schema of relay.yaml, for editors",
    examples: ["> relay.schema.json"],
    run: async (_given, context) => (await import("./run_config.ts")).printSchema(context),
  },
  "db-workload": {
    summary: "Write example data into a collection",
    examples: ["", "--count 20000 --mix insert=70,update=20,replace=5,delete=5"],
    tidiesUp: true,
    isEndless: () => true,
    run: async (given, context) => {
      const { workload } = await import("../workload/workload.ts");
      return await runWith(rewordFor(given), context, (own) => workload(workloadConfig(given), own));
    },
  },
};

const names = Object.keys(RUNNING) as (keyof typeof OPTIONS)[];

export const COMMANDS: Readonly<Record<string, Command>> = Object.fromEntries(
  names.map((name) => [name, { ...RUNNING[name], options: OPTIONS[name] }]),
);
