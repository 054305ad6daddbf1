/** `deno task demo`: the relay at work on a database of its own, step by step. Removes everything at the end. */
import { parseArgs } from "node:util";
import { describe } from "../../lib/cli/describe_error.ts";
import { stopSignal } from "../../lib/cli/stop_signals.ts";
import { createLogger, type LogLevel, UsageError } from "../../lib/mod.ts";
import { isBrokenPipe, STDERR, STDOUT } from "../../lib/util/standard_streams.ts";
import { demo, type DemoSettings } from "./demo.ts";
import { createScreen } from "./screen.ts";

const HELP = `Usage: deno task demo [options]

Shows the relay at work, step by step, and compares every document with its row at the end.

Options:
  --mongodb-url URL  MongoDB replica set; starts one by default (env: MONGODB_URL)
  --cratedb-url URL  CrateDB or PostgreSQL; starts one by default (env: CRATEDB_URL, CRATEDB_SQLALCHEMY_URL)
  --count N          Operations of the load (default: 5000)
  -k, --keep         Keep servers and data until Ctrl-C, and print how to query them
  --log-level LEVEL  Minimum level of log lines: debug, info, warn, error (default: warn)
  -h, --help         Print this help
`;

const LOG_LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];

interface Options extends DemoSettings {
  readonly logLevel: LogLevel;
}

/** @throws UsageError */
function parseOptions(args: string[], env: Readonly<Record<string, string | undefined>>): Options | "help" {
  const values = parsed(args);
  if (values.help) return "help";
  const server = (flag: "mongodb-url" | "cratedb-url", ...variables: string[]) => {
    const variable = variables.find((each) => env[each]);
    const url = values[flag] ?? env[variable ?? ""] ?? "";
    return { url, source: values[flag] ? `--${flag}` : variable ?? "" };
  };
  if (!/^[1-9]\d*$/.test(values.count)) {
    throw new UsageError(`--count must be a whole number of at least 1: ${values.count}`);
  }
  const logLevel = LOG_LEVELS.find((each) => each === values["log-level"]);
  if (!logLevel) {
    throw new UsageError(`--log-level must be one of ${LOG_LEVELS.join(", ")}: ${values["log-level"]}`);
  }
  return {
    mongodb: server("mongodb-url", "MONGODB_URL"),
    sink: server("cratedb-url", "CRATEDB_URL", "CRATEDB_SQLALCHEMY_URL"),
    count: Number(values.count),
    keep: values.keep,
    logLevel,
  };
}

function parsed(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        "mongodb-url": { type: "string" },
        "cratedb-url": { type: "string" },
        count: { type: "string", default: "5000" },
        keep: { type: "boolean", short: "k", default: false },
        "log-level": { type: "string", default: "warn" },
        help: { type: "boolean", short: "h", default: false },
      },
    }).values;
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error });
  }
}

/** @returns the exit code */
async function main(signal: AbortSignal): Promise<number> {
  try {
    const options = parseOptions(Deno.args, Deno.env.toObject());
    if (options === "help") {
      STDOUT.write(HELP);
      return 0;
    }
    const write = (line: string) => STDERR.write(`${line}\n`);
    const log = createLogger({ format: "text", level: options.logLevel, write });
    await demo(options, { signal, log, screen: createScreen(Deno.env.toObject()) });
    return 0;
  } catch (error) {
    if (isBrokenPipe(error) || signal.aborted && error === signal.reason) return 0;
    const { message, hint } = describe(error);
    STDERR.write([`Error: ${message}`, ...hint ? [hint] : [], ""].join("\n"));
    return error instanceof UsageError ? 2 : 1;
  }
}

Deno.exit(await main(stopSignal()));
