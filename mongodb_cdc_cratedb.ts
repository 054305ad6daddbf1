/**
 * Keeps CrateDB in sync with MongoDB: replicates collections into tables, and writes example data.
 *
 * - https://www.mongodb.com/docs/manual/changeStreams/
 * - https://cratedb.com/docs/crate/reference/
 */
import { tooOld } from "./lib/cli/deno_version.ts";

/** The signals that stop the program, and their numbers. */
const STOP_SIGNALS = [["SIGINT", 2], ["SIGTERM", 15]] as const;

if (import.meta.main) {
  const why = tooOld(Deno.version.deno);
  if (why !== undefined) {
    Deno.stderr.writeSync(new TextEncoder().encode(`Error: ${why}\nIt comes with: deno upgrade\n`));
    Deno.exit(1);
  }
  const signal = stopSignal();
  // Loaded only now: an older Deno may fail to load it.
  const { main } = await import("./lib/cli/main.ts");
  Deno.exit(await main(Deno.args, { env: Deno.env.toObject(), signal }));
}

/** Aborted by the first signal to stop; a second one ends the program at once. */
function stopSignal(): AbortSignal {
  const stop = new AbortController();
  let stoppedAt = Infinity;
  for (const [name, number] of STOP_SIGNALS) {
    listen(name, () => {
      // A task runner passes on what the terminal has sent already.
      if (Date.now() - stoppedAt >= 500) Deno.exit(128 + number);
      stoppedAt = Math.min(stoppedAt, Date.now());
      stop.abort();
    });
  }
  return stop.signal;
}

/** Goes on without a signal that this system does not have. */
function listen(name: Deno.Signal, listener: () => void): void {
  try {
    Deno.addSignalListener(name, listener);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
  }
}
