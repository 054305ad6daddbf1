/** The program as its users start it: a process of its own. */
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { lines } from "./lines.ts";

const ROOT = join(import.meta.dirname ?? "", "..", "..");
/** What container engines wait for when they stop a container. */
const KILL_AFTER_MS = 10_000;
const SETTINGS = /^(?:MONGODB|CRATEDB|CDC)_/;

export interface ProgramOptions {
  /** Beside this, only what does not configure the program is inherited. */
  readonly env?: Record<string, string>;
  /** @default "" */
  readonly stdin?: string;
  /** Of Deno itself, such as `--preload`. @default [] */
  readonly denoFlags?: readonly string[];
  /** After which the program is killed, in milliseconds. @default 60_000 */
  readonly timeout?: number;
}

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs the program to its end.
 *
 * @example
 * IN: ["--version"] → OUT: {code: 0, stdout: "mongodb-cdc-cratedb 0.1.0\n", stderr: ""}
 */
export async function run(args: readonly string[], options: ProgramOptions = {}): Promise<Outcome> {
  const { env = {}, stdin = "", denoFlags = [], timeout = 60_000 } = options;
  const signal = AbortSignal.timeout(timeout);
  const child = command(args, { env, denoFlags }, { stdin: "piped", stdout: "piped", signal }).spawn();
  const { stdin: input } = child;
  await new Blob([stdin]).stream().pipeTo(input).catch(() => {}); // It need not read what it is given.
  const { code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** A program that keeps running. Killed when disposed of. */
export interface Running extends AsyncDisposable {
  readonly pid: number;
  /** What it has written to standard error so far. */
  readonly stderr: readonly string[];
  readonly status: Promise<Deno.CommandStatus>;
  /**
   * The first line, already written or still to come, that matches.
   *
   * @throws {Error} with all lines when the program ends without it, or at the time-out (milliseconds, 30_000 by default)
   */
  waitForLine(pattern: RegExp, options?: { readonly timeout?: number }): Promise<string>;
  /** Sends a signal, SIGTERM by default, and SIGKILL 10 s later; resolves when the program has ended. */
  kill(signal?: Deno.Signal): Promise<Deno.CommandStatus>;
}

/** Starts the program. */
export function start(
  args: readonly string[],
  { env = {}, denoFlags = [] }: ProgramOptions = {},
): Running {
  const child = command(args, { env, denoFlags }, { stdin: "null", stdout: "null" }).spawn();
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
      if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error; // It has ended already.
    }
  };
  return {
    pid: child.pid,
    stderr,
    status: child.status,
    async waitForLine(pattern, { timeout = 30_000 } = {}) {
      const end = performance.now() + timeout;
      for (;;) {
        const last = ended;
        const line = stderr.find((line) => pattern.test(line));
        if (line !== undefined) return line;
        if (last || performance.now() >= end) {
          const why = last ? "has ended" : `has run for ${timeout} ms`;
          throw new Error(`${args[0]} ${why} without a line like ${pattern}:\n${stderr.join("\n")}`);
        }
        await delay(10);
      }
    },
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

function command(
  args: readonly string[],
  { env, denoFlags }: Required<Pick<ProgramOptions, "env" | "denoFlags">>,
  options: Deno.CommandOptions,
): Deno.Command {
  const inherited = Object.entries(Deno.env.toObject()).filter(([name]) => !SETTINGS.test(name));
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", "--quiet", ...denoFlags, join(ROOT, "mongodb_cdc_cratedb.ts"), ...args],
    clearEnv: true,
    env: { ...Object.fromEntries(inherited), NO_COLOR: "1", ...env },
    stderr: "piped",
    ...options,
  });
}
