/** Runs `cdc-relay`, with log, progress bar, metrics and traces. */
import { ConnectionString } from "mongodb-connection-string-url";
import { contentOf, effectiveOf, settingsIn, shownOf } from "../config/effective.ts";
import { MONGODB, MONITORING, SCOPE } from "../config/relay_options.ts";
import { rewordFor } from "../config/origins.ts";
import { find, type Given, readOptions } from "../config/read.ts";
import type { RelaySettings } from "../pipeline/settings.ts";
import type { Listener } from "../pipeline/status/events.ts";
import { StatusTracker } from "../pipeline/status/status_tracker.ts";
import { relay } from "../relay/relay.ts";
import { rebuildVerb } from "../status/rebuild_verb.ts";
import { SYSTEM_CLOCK } from "../util/clock.ts";
import type { Logger } from "../util/log.ts";
import { verifyVerb } from "../verify/verify_verb.ts";
import type { CommandContext } from "./command.ts";
import { reworded } from "./reworded.ts";
import { openWatchers } from "./watchers.ts";

export interface RunRelayContext extends CommandContext {
  readonly given: Given;
}

export async function runRelay(settings: RelaySettings, context: RunRelayContext): Promise<void> {
  const { signal, log, given } = context;
  const status = new StatusTracker(SYSTEM_CLOCK);
  const stream = { name: "", status };
  const { listen, maxLag, controlToken, onEventUrl: url } = readOptions(MONITORING, given);
  const monitoring = {
    listen,
    maxLag: () => maxLag,
    token: controlToken === undefined ? undefined : () => readOptions(MONITORING, given).controlToken ?? "",
    sinkOf: () => settings.sink,
    settings: () => [
      { title: "Process", effective: shownOf(settingsIn(MONITORING, given)) },
      { title: "Stream", effective: shownOf(effectiveOf(given).effective) },
    ],
    hooks: url ? [{ url }] : [],
    env: given.env,
    log,
  };
  await using watchers = await openWatchers({ ...monitoring, streams: [stream] });
  warnOfUrlDatabase(given, log);
  const { emit, trace } = watchers.of(stream, context, firstStart(context));
  const content = contentOf(effectiveOf(given));
  const verbs = { rebuild: rebuildVerb, verify: verifyVerb };
  const reword = rewordFor(given);
  await relay(settings, {
    content,
    signal,
    log,
    status,
    emit,
    trace,
    verbs,
    reworded: (error) => reworded(error, reword),
  });
}

/** Databases that users log in to; `testdrive` is the default. */
const EXPECTED = ["", "admin", "testdrive"];

/**
 * Warns if MONGODB_URL names a database, and no option does.
 * @example
 * IN: mongodb://host/shop, without --database
 * OUT: WARN The database in MONGODB_URL is only for the login: following testdrive use="--database shop"
 */
export function warnOfUrlDatabase(given: Given, log: Logger): void {
  if (find("database", SCOPE.database, given)) return;
  const database = databaseOf(readOptions(MONGODB, given).mongodbUrl);
  if (EXPECTED.includes(database)) return;
  log.warn("The database in MONGODB_URL is only for the login: following testdrive", {
    use: `--database ${database}`,
  });
}

/** Empty for a URL without a database, or a malformed one. */
function databaseOf(url: string): string {
  try {
    return decodeURIComponent(new ConnectionString(url).pathname.slice(1));
  } catch {
    return "";
  }
}

/** Prints what the first start has found, on a terminal. */
const firstStart = ({ statusLine, log }: Pick<CommandContext, "statusLine" | "log">): Listener => (event) => {
  if (event.type !== "checked" || !event.isFirst || !statusLine) return;
  for (const { level, text, hint } of event.findings) log[level === "ok" ? "info" : "warn"](text, { hint });
};
