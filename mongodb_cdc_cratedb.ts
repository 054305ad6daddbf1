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
import { runtimeOf, tooOld } from "./lib/util/runtime.ts";
import { stopSignal } from "./lib/cli/stop_signals.ts";

const why = tooOld(runtimeOf(process.versions));
if (why !== undefined) {
  writeSync(2, `Error: ${why}\n`);
  process.exit(1);
}
const signal = stopSignal();
// Loaded only now: an older runtime may fail to load it.
const { main } = await import("./lib/cli/main.ts");
process.exit(await main(process.argv.slice(2), { env: process.env, signal }));
