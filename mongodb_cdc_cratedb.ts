/**
 * Keep CrateDB in step with MongoDB: relays a change stream into a table, and writes example data.
 *
 * - https://www.mongodb.com/docs/manual/changeStreams/
 * - https://cratedb.com/docs/crate/reference/
 */
import { main } from "./lib/cli.ts";

if (import.meta.main) {
  const stop = new AbortController();
  for (const [name, number] of [["SIGINT", 2], ["SIGTERM", 15]] as const) {
    Deno.addSignalListener(name, () => stop.signal.aborted ? Deno.exit(128 + number) : stop.abort());
  }
  Deno.exit(await main(Deno.args, { env: Deno.env.toObject(), signal: stop.signal }));
}
