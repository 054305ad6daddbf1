/** The commands: what each is for, its options, and what runs it. */
import process from "node:process";
import { emitter } from "../pipeline/status/events.ts";
import { SYSTEM_CLOCK } from "../util/clock.ts";
import type { Logger } from "../util/log.ts";
import { INSTALLED_NAME, VERSION } from "../util/version.ts";
import { CALL } from "./call.ts";
import { type Argument, type Completed, completionScript, SHELLS } from "./completion.ts";
import {
  demoConfig,
  forgetConfig,
  relayConfig,
  statusConfig,
  verifyConfig,
  waitConfig,
  workloadConfig,
} from "../config/config.ts";
import { logListener } from "./log_listener.ts";
import { OPTIONS } from "../config/options/options.ts";
import type { Given } from "../config/options/read.ts";
import { runtimeOf } from "./runtime.ts";
import type { StatusLine } from "./status_line.ts";
import { warnOfUrlDatabase } from "./url_database.ts";
import { openWatchers } from "./watchers.ts";

export interface CommandContext {
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** Draws progress; undefined if standard error is not a terminal. */
  readonly statusLine: StatusLine | undefined;
  /** Writes to standard output. @returns false if the output is closed */
  readonly print: (text: string) => boolean;
}

export interface Command extends Completed {
  readonly examples: readonly string[];
  /** Loads what it needs when it is called, so that help is instant. Resolves to an exit code where that is not 0. */
  readonly run: (given: Given, context: CommandContext) => Promise<number | void>;
}

export const COMMANDS: Readonly<Record<string, Command>> = {
  "cdc-relay": {
    summary: "Replicate MongoDB collections into CrateDB: take a snapshot, then follow their change stream",
    options: OPTIONS["cdc-relay"],
    examples: [
      `${CALL} cdc-relay`,
      `${CALL} cdc-relay --database weather --collection readings --table weather.readings`,
      `${CALL} cdc-relay --database shop --exclude 'tmp_*'`,
      `${CALL} cdc-relay --database '*' --listen 127.0.0.1:9464`,
      `${CALL} cdc-relay --database shop --collection orders --filter '{"status": "open"}' --omit card`,
      `CRATEDB_URL=postgresql://crate@localhost:5432/doc ${CALL} cdc-relay`,
    ],
    run: async (given, context) => {
      const settings = relayConfig(given);
      const { signal, log } = context;
      const { name, version } = runtimeOf(process.versions);
      log.info("Starting cdc-relay", { version: VERSION, runtime: `${name} ${version}` });
      warnOfUrlDatabase(given, log);
      const { relay } = await import("../relay/relay.ts");
      const { StatusTracker } = await import("../pipeline/status/status_tracker.ts");
      const { snapshotProgress } = await import("./progress.ts");
      const { summaryListener } = await import("./summary_listener.ts");
      const status = new StatusTracker(SYSTEM_CLOCK);
      await using watchers = await openWatchers(given, { status, log });
      using progress = snapshotProgress(context);
      const summary = summaryListener({ log, status, clock: SYSTEM_CLOCK });
      const emit = emitter(logListener(log), progress.listen, summary, ...watchers.listeners);
      await relay(settings, { signal, log, status, emit, trace: watchers.trace });
    },
  },
  "status": {
    summary: "Tell how the streams are, from CrateDB alone; for people, machines and health checks",
    options: OPTIONS.status,
    examples: [
      `${CALL} status`,
      `${CALL} status --watch`,
      `${CALL} status --database shop --max-lag 30s --json`,
    ],
    run: async (given, context) => {
      const settings = statusConfig(given);
      return await (await import("./run_status.ts")).runStatus(settings, context);
    },
  },
  "wait": {
    summary: "Return when CrateDB shows everything up to now, or to another time",
    options: OPTIONS.wait,
    examples: [
      `${CALL} wait`,
      `${CALL} wait --database shop --collection orders --timeout 30s`,
      `${CALL} wait --at 2026-01-31T12:00:00Z`,
    ],
    run: async (given, context) => {
      const settings = waitConfig(given);
      return await (await import("./run_status.ts")).runWait(settings, context);
    },
  },
  "verify": {
    summary: "Compare collections and tables, also while a relay runs, and repair what differs",
    options: OPTIONS.verify,
    examples: [
      `${CALL} verify`,
      `${CALL} verify --database shop --collection orders --repair`,
      `${CALL} verify --database shop --sample 10000 --json`,
      `${CALL} verify --database '*' --watch --rate 2000`,
    ],
    run: async (given, context) => {
      const settings = verifyConfig(given);
      warnOfUrlDatabase(given, context.log);
      const { runVerify } = await import("./run_verify.ts");
      return await runVerify(settings, context);
    },
  },
  "forget": {
    summary: "Remove what the relay keeps about a stream that is no longer needed; tables stay",
    options: OPTIONS.forget,
    examples: [
      `${CALL} forget`,
      `${CALL} forget --stream 'shop.* -> {database}.{collection}'`,
      `${CALL} forget --stream 'testdrive.data -> doc.cdc-testdrive' --yes`,
    ],
    run: async (given, context) => {
      const settings = forgetConfig(given);
      return await (await import("./run_forget.ts")).runForget(settings, context);
    },
  },
  "db-workload": {
    summary: "Write example data into the collection",
    options: OPTIONS["db-workload"],
    examples: [
      `${CALL} db-workload`,
      `${CALL} db-workload --count 20000 --mix insert=70,update=20,replace=5,delete=5`,
    ],
    run: async (given, context) => {
      const settings = workloadConfig(given);
      await (await import("../workload/workload.ts")).workload(settings, context);
    },
  },
  "demo": {
    summary: "Show the relay at work, on servers of its own where none are named",
    options: OPTIONS.demo,
    examples: [
      `${CALL} demo`,
      `${CALL} demo --keep`,
      `MONGODB_URL=mongodb://localhost/ CRATEDB_SQLALCHEMY_URL=crate:// ${CALL} demo`,
    ],
    run: async (given, { signal, log }) => {
      const settings = demoConfig(given);
      const { demo } = await import("../../dev/demo/demo.ts");
      const { createScreen } = await import("../../dev/demo/screen.ts");
      await demo(settings, {
        signal,
        log,
        screen: createScreen(given.env),
        listener: logListener(log),
        relaySettings: ({ mongodbUrl, sinkUrl }, database) =>
          relayConfig({
            flags: {
              "mongodb-url": mongodbUrl,
              "cratedb-url": sinkUrl,
              database,
              table: `${database}.{collection}`,
            },
            env: {},
          }),
        hostScript: import.meta.resolve("../../dev/servers/demo_host.ts"),
      });
    },
  },
  "completion": {
    summary: "Print the script that completes commands and options in a shell",
    options: [],
    argument: { name: "shell", choices: SHELLS } satisfies Argument,
    examples: [
      `source <(${INSTALLED_NAME} completion bash)`,
      `source <(${INSTALLED_NAME} completion zsh)`,
      `${INSTALLED_NAME} completion fish > ~/.config/fish/completions/${INSTALLED_NAME}.fish`,
    ],
    run: async ({ flags }, { print }) => {
      const shell = SHELLS.find((each) => each === flags.shell);
      if (shell) print(completionScript(shell, COMMANDS));
      await Promise.resolve();
    },
  },
};
