/** Commands that wait, for several streams of a file. */
import assert from "node:assert/strict";
import { SYSTEM_CLOCK, waitAtMost } from "../../../lib/util/clock.ts";
import { start } from "../../support/program.ts";
import { silentServer } from "../../support/silent_server.ts";

/** A failed test ends then. */
const LONGEST_MS = 20_000;

for (const [line, code] of [["verify --watch", 0], ["wait --at 2026-01-31T12:00:00Z", 1]] as const) {
  Deno.test(`${line} is about all streams of a file at once`, async () => {
    using one = await silentServer();
    using other = await silentServer();
    const path = await Deno.makeTempFile({ suffix: ".yaml" });
    const stream = (database: string, { address }: typeof one) => ({
      database,
      cratedb: { url: `crate://${address}` },
    });
    const streams = { shop: stream("shop", one), weather: stream("weather", other) };
    await Deno.writeTextFile(path, JSON.stringify({ version: 1, streams }));
    await using program = start([...line.split(" "), "--config", path]);
    let areConnected = false;
    const connected = Promise.all([one.connected, other.connected]).then(() => areConnected = true);
    await waitAtMost(LONGEST_MS, connected, SYSTEM_CLOCK);
    assert.ok(areConnected, program.stderr.join("\n"));
    assert.equal((await program.kill()).code, code);
    await Deno.remove(path);
  });
}
