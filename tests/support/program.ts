/**
 * Runs command lines of the program, most of them in the process of the test: the start of a relay takes a sixth of the
 * CPU there, because the program is loaded and compiled already. What is killed, frozen or measured needs its own process.
 */
import { join } from "node:path";
import { environment, lineWaiter, type Running, running } from "../../dev/process/program.ts";
import { main } from "../../lib/cli/main.ts";
import { SYSTEM_CLOCK, waitAtMost } from "../../lib/util/clock.ts";
import type { OutputStream } from "../../lib/util/standard_streams.ts";

export type { Running } from "../../dev/process/program.ts";

const ROOT = join(import.meta.dirname ?? "", "..", "..");
const LONGEST_STOP_MS = 60_000;
const LONGEST_RUN_MS = 60_000;

export interface ProgramOptions {
  /** Added to the inherited environment, which loses the settings of the relay. */
  readonly env?: Record<string, string>;
  /** Runs it as a process of its own, which any signal reaches. @default {only with `denoFlags` or `script`} */
  readonly ownProcess?: boolean | undefined;
  /** Flags of Deno, such as `--preload`. @default [] */
  readonly denoFlags?: readonly string[];
  /** Path in this repository. @default "mongodb_cdc_cratedb.ts" */
  readonly script?: string;
  /** Milliseconds after which `run()` stops it. @default 60_000 */
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
  if (hasOwnProcess(options)) return await runApart(args, options);
  const { running, stdout, stderr } = startHere(args, options);
  const { timeout = LONGEST_RUN_MS } = options;
  await waitAtMost(timeout, running.status, SYSTEM_CLOCK);
  const { code } = await running.kill();
  return { code, stdout: stdout.text, stderr: stderr.text };
}

/** Starts the program. Its standard output is dropped. */
export const start = (args: readonly string[], options: ProgramOptions = {}): Running =>
  hasOwnProcess(options)
    ? running(command(args, options, { stdout: "null" }), args[0] ?? "")
    : startHere(args, options).running;

const hasOwnProcess = ({ ownProcess, denoFlags, script }: ProgramOptions): boolean =>
  ownProcess ?? (denoFlags !== undefined || script !== undefined);

async function runApart(args: readonly string[], options: ProgramOptions): Promise<Outcome> {
  const signal = AbortSignal.timeout(options.timeout ?? LONGEST_RUN_MS);
  const { code, stdout, stderr } = await command(args, options, { stdout: "piped", signal }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

function command(
  args: readonly string[],
  { env = {}, denoFlags = [], script = "mongodb_cdc_cratedb.ts" }: ProgramOptions,
  options: Deno.CommandOptions,
): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", "--quiet", ...denoFlags, join(ROOT, script), ...args],
    clearEnv: true,
    env: environment(env),
    stdin: "null",
    stderr: "piped",
    ...options,
  });
}

function startHere(args: readonly string[], { env = {} }: ProgramOptions) {
  const [name = ""] = args;
  const [stdout, stderr] = [captured(), captured()];
  const stop = new AbortController();
  let ended = false;
  const status = main(args, { env: environment(env), signal: stop.signal, stdout, stderr })
    .finally(() => ended = true)
    .then((code) => ({ code, signal: null }));
  status.catch(() => {}); // Whoever awaits it gets the error.

  async function stopped() {
    stop.abort();
    await waitAtMost(LONGEST_STOP_MS, status, SYSTEM_CLOCK);
    if (!ended) throw new Error(`${name} does not stop:\n${stderr.lines.join("\n")}`);
    return await status;
  }

  const running: Running = {
    get pid(): number {
      throw new Error(`For its process, start ${name} with {ownProcess: true}`);
    },
    stderr: stderr.lines,
    status,
    waitForLine: lineWaiter(name, stderr.lines, () => ended),
    async kill(signal = "SIGTERM") {
      if (signal === "SIGTERM" || signal === "SIGINT") return await stopped();
      throw new Error(`To send ${signal}, start ${name} with {ownProcess: true}`);
    },
    [Symbol.asyncDispose]: async () => void await stopped(),
  };
  return { running, stdout, stderr };
}

function captured() {
  let text = "";
  const lines: string[] = [];
  let rest = "";
  return {
    isTerminal: false,
    columns: undefined,
    get text() {
      return text;
    },
    lines,
    write(more: string) {
      text += more;
      const complete = (rest + more).split("\n");
      rest = complete.pop() ?? "";
      lines.push(...complete);
    },
  } satisfies OutputStream & Record<string, unknown>;
}
