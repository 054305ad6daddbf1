/** Programs as their users start them: processes of their own. */
import { delimiter, dirname, join } from "node:path";
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
   * @throws {Error} with all lines when the program ends without it, or at the time-out (milliseconds, 60_000 by default)
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
  return running(command(args, { env, denoFlags }, { stdin: "null", stdout: "null" }), args[0] ?? "");
}

/**
 * Starts a command of a shell, with the same environment.
 *
 * @example
 * IN: "deno run -A other/mongodb_cdc_cratedb.ts", ["cdc-relay"] → OUT: that program, not a shell that waits for it
 */
export function startCommand(
  text: string,
  args: readonly string[],
  { env = {} }: Pick<ProgramOptions, "env"> = {},
): Running {
  // Installed by npm, the `deno` on the path is a script that waits for the program.
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
  let news = Promise.withResolvers<void>();
  const tell = () => {
    news.resolve();
    news = Promise.withResolvers();
  };
  const collected = (async () => {
    for await (const line of lines(child.stderr)) {
      stderr.push(line);
      tell();
    }
    ended = true;
    tell();
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
    async waitForLine(pattern, { timeout = 60_000 } = {}) {
      let isLate = false;
      const timer = setTimeout(() => {
        isLate = true;
        tell();
      }, timeout);
      try {
        for (;;) {
          const line = stderr.find((line) => pattern.test(line));
          if (line !== undefined) return line;
          if (ended || isLate) {
            const why = ended ? "has ended" : `has run for ${timeout} ms`;
            throw new Error(`${name} ${why} without a line like ${pattern}:\n${stderr.join("\n")}`);
          }
          await news.promise;
        }
      } finally {
        clearTimeout(timer);
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
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", "--quiet", ...denoFlags, join(ROOT, "mongodb_cdc_cratedb.ts"), ...args],
    clearEnv: true,
    env: environment(env),
    stderr: "piped",
    ...options,
  });
}

function environment(own: Record<string, string>): Record<string, string> {
  const inherited = Object.entries(Deno.env.toObject()).filter(([name]) => !SETTINGS.test(name));
  return { ...Object.fromEntries(inherited), NO_COLOR: "1", ...own };
}
