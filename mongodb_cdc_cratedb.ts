#!/usr/bin/env node
/**
 * Keeps CrateDB in sync with MongoDB: replicates collections into tables, and writes example data.
 *
 * - https://www.mongodb.com/docs/manual/changeStreams/
 * - https://cratedb.com/docs/crate/reference/
 *
 * @module
 */
import { writeSync } from "node:fs";
import process from "node:process";
import { runtimeOf, tooOld } from "./lib/cli/runtime.ts";

/** The signals that stop the program, and their numbers. */
const STOP_SIGNALS = [["SIGINT", 2], ["SIGTERM", 15]] as const;

const why = tooOld(runtimeOf(process.versions));
if (why !== undefined) {
  writeSync(2, `Error: ${why}\n`);
  process.exit(1);
}
const signal = stopSignal();
// Loaded only now: an older runtime may fail to load it.
const { main } = await import("./lib/cli/main.ts");
process.exit(await main(process.argv.slice(2), { env: process.env, signal }));

/** Aborted by the first signal to stop; a second one ends the program at once. */
function stopSignal(): AbortSignal {
  const stop = new AbortController();
  let stoppedAt = Infinity;
  for (const [name, number] of STOP_SIGNALS) {
    listen(name, () => {
      // A task runner passes on what the terminal has sent already.
      if (Date.now() - stoppedAt >= 500) process.exit(128 + number);
      stoppedAt = Math.min(stoppedAt, Date.now());
      stop.abort();
    });
  }
  return stop.signal;
}

/** Goes on without a signal that this system does not have. */
function listen(name: NodeJS.Signals, listener: () => void): void {
  try {
    process.on(name, listener);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
  }
}
