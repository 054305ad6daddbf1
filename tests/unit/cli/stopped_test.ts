/** What a signal makes of the exit code. */
import assert from "node:assert/strict";
import { start } from "../../support/program.ts";
import { silentServer } from "../../support/silent_server.ts";

const SCOPE = "--database shop --collection orders";

/** Command lines, and their exit codes. */
const STOPPED = [
  ["status", 1],
  ["wait --at 2026-01-31T12:00:00Z", 1],
  ["ctl list --stream shop", 1],
  [`verify ${SCOPE}`, 1],
  [`cdc-relay ${SCOPE} --snapshot only`, 1],
  ["status --watch", 0],
  [`verify ${SCOPE} --watch`, 0],
  [`cdc-relay ${SCOPE}`, 0],
] as const;

Deno.test("a command that a signal stops before its end fails, unless it would have run until then", async () => {
  await Promise.all(STOPPED.map(async ([line, expected]) => {
    using cratedb = await silentServer();
    await using program = start(line.split(" "), { env: { CRATEDB_URL: `crate://${cratedb.address}` } });
    await cratedb.connected;
    const { code } = await program.kill();
    const isReported = program.stderr.at(-1) === "Error: Stopped by a signal before the end";
    assert.deepEqual([line, code, isReported], [line, expected, expected === 1], program.stderr.join("\n"));
  }));
});
