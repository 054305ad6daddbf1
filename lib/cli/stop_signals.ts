/** The signals that stop the program. Loads nothing of the program, so that an old runtime can run it. */
import { readFileSync } from "node:fs";
import process from "node:process";

const STOP_SIGNALS = [["SIGHUP", 1], ["SIGINT", 2], ["SIGTERM", 15]] as const;

/** Signals within this time count as one: a task runner repeats the signal of the terminal. */
const TOGETHER_MS = 500;

const stop = new AbortController();
let stoppedAt = Infinity;

const endProgram = (number: number) => (): void => {
  if (Date.now() - stoppedAt >= TOGETHER_MS) process.exit(128 + number);
  stoppedAt = Math.min(stoppedAt, Date.now());
  stop.abort();
};

let hasHungUp = false;
/** What SIGHUP does: it waits until the command is known. */
let hangup = (): void => void (hasHungUp = true);

/** Makes SIGHUP end the program, including one that arrived before. */
export function stopOnHangup(): void {
  hangup = endProgram(1);
  if (hasHungUp) hangup();
}

/** Makes SIGHUP call this, including one that arrived before. After the disposal, SIGHUP ends the program again. */
export function onHangup(listener: () => void): Disposable {
  hangup = listener;
  if (hasHungUp) hangup();
  hasHungUp = false;
  return { [Symbol.dispose]: stopOnHangup };
}

/** Returns a signal that the first stop signal aborts; a second one ends the process at once, with code 128 + its number. */
export function stopSignal(): AbortSignal {
  for (const [name, number] of STOP_SIGNALS) {
    if (name === "SIGHUP" && isIgnored(number)) continue;
    try {
      process.on(name, name === "SIGHUP" ? () => hangup() : endProgram(number));
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // The system does not have this signal.
    }
  }
  return stop.signal;
}

/** Whether the program was started with the signal ignored, for example by nohup(1). False on systems without /proc. */
function isIgnored(number: number): boolean {
  try {
    const [, mask = "0"] = /^SigIgn:\s*(\w+)$/m.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
    return (BigInt(`0x${mask}`) >> BigInt(number - 1)) % 2n === 1n;
  } catch {
    return false;
  }
}
