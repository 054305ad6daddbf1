/** Runs the streams of a file, and reads it again on SIGHUP. */
import process from "node:process";
import { changesOf, contentOf, EFFECTS, savedText } from "../config/reload.ts";
import { openRelayFile } from "../config/open_file.ts";
import type { RelayFile, StreamSettings as StreamOfFile } from "../config/relay_file.ts";
import { logListener } from "../monitor/log_listener.ts";
import { summaryListener } from "../monitor/summary_listener.ts";
import { describe } from "../pipeline/status/describe_error.ts";
import { emitter } from "../pipeline/status/events.ts";
import type { RelayStatus } from "../pipeline/status/relay_status.ts";
import { StatusTracker } from "../pipeline/status/status_tracker.ts";
import { runStreams, sharedBy, type Stream } from "../relay/streams.ts";
import { StreamSettings } from "../relay/stream_settings.ts";
import { SYSTEM_CLOCK as clock } from "../util/clock.ts";
import { UsageError } from "../util/errors.ts";
import { type Logger, withFields } from "../util/log.ts";
import { runtimeOf, VERSION } from "../util/runtime.ts";
import { snapshotProgress } from "./progress.ts";
import type { RunRelayContext } from "./run_relay.ts";
import { onHangup } from "./stop_signals.ts";
import { openWatchers } from "./watchers.ts";

export async function runFile(path: string, context: RunRelayContext): Promise<void> {
  const { signal, log, given, configureLog } = context;
  const read = () => openRelayFile(path, given);
  let file = read();
  const { listen, onFailure, logFormat: format } = file.process;
  configureLog({ format, level: file.process.logLevel });
  const { name, version } = runtimeOf(process.versions);
  const versions = { version: VERSION, runtime: `${name} ${version}` };
  log.info("Starting cdc-relay", { ...versions, config: path, streams: file.streams.length });
  for (const warning of file.warnings) log.warn(warning);

  const named = file.streams.map(({ name }) => ({ name, status: latestStatus() }));
  const [first, ...more] = named;
  if (!first) throw new UsageError(`${path} has no stream`, { hint: "Name one below streams." });
  const monitoring = { listen, maxLag: () => file.process.maxLag, env: given.env, log, versions };
  await using watchers = await openWatchers({ ...monitoring, streams: [first, ...more] });
  using opened = new DisposableStack();
  const runningOf = (each: typeof first): Stream => {
    const own = withFields(log, { stream: each.name });
    const progress = opened.use(snapshotProgress({ log: own, statusLine: undefined }));
    const watcher = watchers.of(each);
    const summary = summaryListener({ log: own, status: each.status, clock });
    return {
      ...each,
      settings: new StreamSettings(configured(file, each.name)),
      log: own,
      emit: emitter(logListener(own), progress.listen, summary, watcher.listen),
      trace: watcher.trace,
    };
  };
  const streams: readonly [Stream, ...Stream[]] = [runningOf(first), ...more.map(runningOf)];
  opened.use(onHangup(() => {
    const next = reloaded(file, read, { streams, log });
    if (!next) return;
    file = next;
    configureLog({ format, level: file.process.logLevel });
  }));
  const shares = streams[0].settings.current.settings;
  await runStreams(streams, { signal, log, shares, onFailure });
}

/** The status of the last start of a stream. */
const latestStatus = () => ({
  tracker: new StatusTracker(clock),
  get current(): RelayStatus {
    return this.tracker.current;
  },
});

function streamOf({ streams }: RelayFile, name: string): StreamOfFile {
  const found = streams.find((each) => each.name === name);
  if (!found) throw new Error(`No stream ${name}`);
  return found;
}

function configured(file: RelayFile, name: string) {
  const stream = streamOf(file, name);
  return { settings: sharedBy(file.streams.length, stream.settings), content: contentOf(stream) };
}

/**
 * Has the streams take what has changed in the file.
 *
 * @returns the file; undefined if it has errors or needs a restart, so that nothing was changed
 */
export function reloaded(
  before: RelayFile,
  read: () => RelayFile,
  { streams, log }: {
    readonly streams: readonly Pick<Stream, "name" | "settings">[];
    readonly log: Logger;
  },
): RelayFile | undefined {
  let after: RelayFile;
  try {
    after = read();
  } catch (error) {
    const { message, hint } = describe(error);
    log.error("The file was not reloaded, and nothing has changed", { error: message, hint });
    return undefined;
  }
  const changes = changesOf(before, after);
  const refused = changes.filter(({ reload }) => reload === "restart");
  for (const { reload: _, ...change } of refused) {
    const hint = "Restart cdc-relay: it resumes from its position. Or undo this change, and reload again.";
    log.error("The file was not reloaded: this setting needs a restart", { ...change, hint });
  }
  if (refused.length > 0) return undefined;
  log.info("The file was reloaded", { changes: changes.length });
  for (const { reload, ...change } of changes) {
    log.info("A setting has changed", { ...change, effect: EFFECTS[reload] });
  }
  for (const { name, settings } of streams) {
    const [old, next] = [streamOf(before, name), streamOf(after, name)];
    if (savedText(old) !== savedText(next)) settings.replace(configured(after, name));
  }
  return after;
}
