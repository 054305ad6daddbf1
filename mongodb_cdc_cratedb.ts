/**
 * Keeps CrateDB in sync with MongoDB: replicates collections into tables, and writes example data.
 *
 * - https://www.mongodb.com/docs/manual/changeStreams/
 * - https://cratedb.com/docs/crate/reference/
 */
import { main } from "./lib/cli/main.ts";

if (import.meta.main) {
  const stop = new AbortController();
  let stoppedAt = Infinity;
  for (const [name, number] of [["SIGINT", 2], ["SIGTERM", 15]] as const) {
    Deno.addSignalListener(name, () => {
      // A task runner passes on what the terminal has sent already.
      if (Date.now() - stoppedAt >= 500) Deno.exit(128 + number);
      stoppedAt = Math.min(stoppedAt, Date.now());
      stop.abort();
    });
  }
  Deno.exit(await main(Deno.args, { env: Deno.env.toObject(), signal: stop.signal }));
}
