/**
 * Runs command lines of the program in the process of the test: the start of a relay takes a sixth of the CPU, because
 * the program is loaded and compiled already. What is killed, frozen or measured needs a process of its own.
 */
import * as child from "../../dev/process/program.ts";
import type { Outcome, ProgramOptions, Running } from "../../dev/process/program.ts";
import { main } from "../../lib/cli/main.ts";
import { SYSTEM_CLOCK, waitAtMost } from "../../lib/util/clock.ts";
import type { OutputStream } from "../../lib/util/standard_streams.ts";

export type { Outcome, Running } from "../../dev/process/program.ts";

const LONGEST_STOP_MS = 60_000;

export interface Options extends ProgramOptions {
  /** Runs it as a process of its own, which any signal reaches. @default {only with `denoFlags`, `script` or `stdin`} */
  readonly ownProcess?: boolean | undefined;
}

const isChild = ({ ownProcess, denoFlags, script, stdin }: Options): boolean =>
  ownProcess ?? (denoFlags !== undefined || script !== undefined || stdin !== undefined);

/** As {@linkcode child.start}. */
export const start = (args: readonly string[], options: Options = {}): Running =>
  isChild(options) ? child.start(args, options) : startHere(args, options).running;

/** As {@linkcode child.run}. */
export async function run(args: readonly string[], options: Options = {}): Promise<Outcome> {
  if (isChild(options)) return await child.run(args, options);
  const { running, stdout, stderr } = startHere(args, options);
  const { timeout = 60_000 } = options;
  await waitAtMost(timeout, running.status, SYSTEM_CLOCK);
  const { code } = await running.kill();
  return { code, stdout: stdout.text, stderr: stderr.text };
}

function startHere(args: readonly string[], { env = {} }: Options) {
  const [name = ""] = args;
  const [stdout, stderr] = [captured(), captured()];
  const stop = new AbortController();
  let ended = false;
  const status = main(args, { env: child.environment(env), signal: stop.signal, stdout, stderr })
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
      throw new Error(`For a process of its own, start ${name} with {ownProcess: true}`);
    },
    stderr: stderr.lines,
    status,
    waitForLine: child.lineWaiter(name, stderr.lines, () => ended),
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
