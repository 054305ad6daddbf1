/** Runs programs as child processes. */
import { delimiter, dirname } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { lines } from "./lines.ts";

/** Container engines wait as long before they kill a container. */
const KILL_AFTER_MS = 10_000;
const POLL_MS = 5;
const SETTINGS = /^(?:MONGODB|CRATEDB|CDC)_/;

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

/** Starts a command line of a shell, such as `deno run -A other.ts`, with these arguments added. */
export function startCommand(
  text: string,
  args: readonly string[],
  { env = {} }: { readonly env?: Record<string, string> } = {},
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

/** Starts a command, whose standard error is piped. */
export function running(command: Deno.Command, name: string): Running {
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

/** The environment of a program: the inherited one without settings of the relay, and these variables. */
export function environment(own: Record<string, string>): Record<string, string> {
  const inherited = Object.entries(Deno.env.toObject()).filter(([name]) => !SETTINGS.test(name));
  return { ...Object.fromEntries(inherited), NO_COLOR: "1", ...own };
}
