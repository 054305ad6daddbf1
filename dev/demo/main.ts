/** `deno task demo`: shows the relay at work in a new database, step by step. */
import { parseArgs } from "node:util";
import { describe } from "../../lib/pipeline/status/describe_error.ts";
import { stopSignal } from "../../lib/cli/stop_signals.ts";
import { createLogger, type LogLevel, UsageError } from "../../lib/mod.ts";
import { isBrokenPipe, STDERR, STDOUT } from "../../lib/util/standard_streams.ts";
import { demo } from "./demo.ts";
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

function parse(args: string[]) {
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

async function run(signal: AbortSignal): Promise<void> {
  const { help, count, keep, ...values } = parse(Deno.args);
  if (help) return STDOUT.write(HELP);
  if (!/^[1-9]\d*$/.test(count)) {
    throw new UsageError(`--count must be a whole number of at least 1: ${count}`);
  }
  const level = LOG_LEVELS.find((each) => each === values["log-level"]);
  if (!level) {
    throw new UsageError(`--log-level must be one of ${LOG_LEVELS.join(", ")}: ${values["log-level"]}`);
  }
  const env = Deno.env.toObject();
  const server = (flag: "mongodb-url" | "cratedb-url", ...variables: string[]) => {
    const variable = variables.find((each) => env[each]) ?? "";
    return { url: values[flag] ?? env[variable] ?? "", source: values[flag] ? `--${flag}` : variable };
  };
  const settings = {
    mongodb: server("mongodb-url", "MONGODB_URL"),
    sink: server("cratedb-url", "CRATEDB_URL", "CRATEDB_SQLALCHEMY_URL"),
    count: Number(count),
    keep,
  };
  const log = createLogger({ format: "text", level, write: (line) => STDERR.write(`${line}\n`) });
  await demo(settings, { signal, log, screen: createScreen(env) });
}

/** @returns the exit code */
async function main(signal: AbortSignal): Promise<number> {
  signal.onabort = () => STDERR.write("Removing servers and data … (Ctrl-C again leaves them)\n");
  try {
    await run(signal);
    return 0;
  } catch (error) {
    if (isBrokenPipe(error) || signal.aborted && error === signal.reason) return 0;
    const { message, hint } = describe(error);
    STDERR.write([`Error: ${message}`, ...hint ? [hint] : [], ""].join("\n"));
    return error instanceof UsageError ? 2 : 1;
  }
}

Deno.exit(await main(stopSignal()));
