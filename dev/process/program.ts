/** Runs programs of this repository as child processes. */
import { delimiter, dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { lines } from "./lines.ts";

const ROOT = join(import.meta.dirname ?? "", "..", "..");
/** Container engines wait as long before they kill a container. */
const KILL_AFTER_MS = 10_000;
const POLL_MS = 5;
const SETTINGS = /^(?:MONGODB|CRATEDB|CDC)_/;

export interface ProgramOptions {
  /** Added to the inherited environment, which loses the settings of the relay. */
  readonly env?: Record<string, string>;
  /** @default "" */
  readonly stdin?: string;
  /** Flags of Deno, such as `--preload`. @default [] */
  readonly denoFlags?: readonly string[];
  /** Path in this repository. @default "mongodb_cdc_cratedb.ts" */
  readonly script?: string;
  /** Kills the program, in milliseconds. @default 60_000 */
  readonly timeout?: number;
}

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a program to its end.
 *
 * @example
 * IN: ["--version"] → OUT: {code: 0, stdout: "mongodb-cdc-cratedb 0.1.0\n", stderr: ""}
 */
export async function run(args: readonly string[], options: ProgramOptions = {}): Promise<Outcome> {
  const { stdin = "", timeout = 60_000 } = options;
  const signal = AbortSignal.timeout(timeout);
  const child = command(args, options, { stdin: "piped", stdout: "piped", signal }).spawn();
  const { stdin: input } = child;
  await new Blob([stdin]).stream().pipeTo(input).catch(() => {}); // The program may not read its input.
  const { code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** A running program. Killed when disposed of. */
export interface Running extends AsyncDisposable {
  readonly pid: number;
  /** Lines of standard error so far. */
  readonly stderr: readonly string[];
  readonly status: Promise<Ended>;
  /**
   * Returns the first past or future line that matches.
   *
   * @throws {Error} with all lines when the program ends without it, or after the timeout (60_000 milliseconds by default)
   */
  waitForLine(pattern: RegExp, options?: { readonly timeout?: number }): Promise<string>;
  /** Sends a signal, SIGTERM by default, and SIGKILL 10 s later. Resolves when the program has ended. */
  kill(signal?: Deno.Signal): Promise<Ended>;
}

type Ended = Pick<Deno.CommandStatus, "code" | "signal">;

export function start(args: readonly string[], options: ProgramOptions = {}): Running {
  return running(command(args, options, { stdin: "null", stdout: "null" }), args[0] ?? "");
}

/** Starts a command line of a shell, such as `deno run -A other.ts`, with these arguments added. */
export function startCommand(
  text: string,
  args: readonly string[],
  { env = {} }: Pick<ProgramOptions, "env"> = {},
): Running {
  // The `deno` of npm is a script that does not pass signals on.
  const path = [dirname(Deno.execPath()), Deno.env.get("PATH") ?? ""].join(delimiter);
  const shell = new Deno.Command("sh", {
    args: ["-c", `exec ${text} "$@"`, "sh", ...args],
    clearEnv: true,
    env: environment({ PATH: path, ...env }),
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  });
  return running(shell, text);
}

function running(command: Deno.Command, name: string): Running {
  const child = command.spawn();
  const stderr: string[] = [];
  let ended = false;
  const collected = (async () => {
    for await (const line of lines(child.stderr)) stderr.push(line);
    ended = true;
  })();
  const send = (signal: Deno.Signal) => {
    try {
      child.kill(signal);
    } catch (error) {
      if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error; // It has ended.
    }
  };
  return {
    pid: child.pid,
    stderr,
    status: child.status,
    waitForLine: lineWaiter(name, stderr, () => ended),
    async kill(signal = "SIGTERM") {
      send(signal);
      const late = setTimeout(() => send("SIGKILL"), KILL_AFTER_MS);
      return await child.status.finally(() => clearTimeout(late));
    },
    async [Symbol.asyncDispose]() {
      send("SIGKILL");
      await Promise.all([child.status, collected]);
    },
  };
}

/** @param ended whether no more lines will come */
export const lineWaiter =
  (name: string, stderr: readonly string[], ended: () => boolean): Running["waitForLine"] =>
  async (pattern, { timeout = 60_000 } = {}) => {
    for (const end = performance.now() + timeout;; await delay(POLL_MS)) {
      const isLast = ended();
      const line = stderr.find((line) => pattern.test(line));
      if (line !== undefined) return line;
      if (!isLast && performance.now() < end) continue;
      const why = isLast ? "has ended" : `has run for ${timeout} ms`;
      throw new Error(`${name} ${why} without a line like ${pattern}:\n${stderr.join("\n")}`);
    }
  };

function command(
  args: readonly string[],
  { env = {}, denoFlags = [], script = "mongodb_cdc_cratedb.ts" }: ProgramOptions,
  options: Deno.CommandOptions,
): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", "--quiet", ...denoFlags, join(ROOT, script), ...args],
    clearEnv: true,
    env: environment(env),
    stderr: "piped",
    ...options,
  });
}

/** The environment of a program: the inherited one without settings of the relay, and these variables. */
export function environment(own: Record<string, string>): Record<string, string> {
  const inherited = Object.entries(Deno.env.toObject()).filter(([name]) => !SETTINGS.test(name));
  return { ...Object.fromEntries(inherited), NO_COLOR: "1", ...own };
}
