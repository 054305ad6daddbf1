/** The commands: what each is for, its options, and what runs it. */
import { observers } from "../pipeline/observer.ts";
import type { Logger } from "../util/log.ts";
import { type Argument, type Completed, completionScript, SHELLS } from "./completion.ts";
import { demoConfig, relayConfig, workloadConfig } from "./config.ts";
import { logObserver } from "./log_observer.ts";
import { type Given, OPTIONS } from "./options.ts";
import { INSTALLED_NAME, PROGRAM } from "./version.ts";

export interface CommandContext {
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** Whether standard error is a terminal where progress may be drawn. */
  readonly terminal: boolean;
  /** Writes to standard output. */
  readonly print: (text: string) => void;
}

export interface Command extends Completed {
  readonly examples: readonly string[];
  /** Loads what it needs when it is called, so that help is instant. */
  readonly run: (given: Given, context: CommandContext) => Promise<void>;
}

/** How the program is called in a clone. */
export const CALL = `deno run -A ${PROGRAM}.ts`;

export const COMMANDS: Readonly<Record<string, Command>> = {
  "cdc-relay": {
    summary: "Replicate MongoDB collections into CrateDB: take a snapshot, then follow their change stream",
    options: OPTIONS["cdc-relay"],
    examples: [
      `${CALL} cdc-relay`,
      `${CALL} cdc-relay --database weather --collection readings --table weather.readings`,
      `${CALL} cdc-relay --database shop --exclude 'tmp_*'`,
      `${CALL} cdc-relay --database '*'`,
      `${CALL} cdc-relay --database shop --collection orders --filter '{"status": "open"}' --omit card`,
      `CRATEDB_URL=postgresql://crate@localhost:5432/doc ${CALL} cdc-relay`,
    ],
    run: async (given, context) => {
      const settings = relayConfig(given);
      const { signal, log } = context;
      const { relay } = await import("../pipeline/relay.ts");
      const { progressObserver } = await import("./progress.ts");
      using progress = progressObserver(context);
      await relay(settings, { signal, log, observer: observers(logObserver(log), progress) });
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
      const { demo } = await import("../demo/demo.ts");
      const { createScreen } = await import("../demo/screen.ts");
      await demo(settings, {
        signal,
        log,
        screen: createScreen(given.env),
        observer: logObserver(log),
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
