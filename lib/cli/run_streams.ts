/** Runs the streams of a file, and reads it again on SIGHUP. */
import { changesOf, changeText, contentOf, EFFECTS, shownOf } from "../config/effective.ts";
import { rewordFor } from "../config/origins.ts";
import { openRelayFile, type RelayFile, type StreamSettings as StreamOfFile } from "../config/relay_file.ts";
import { describe } from "../pipeline/status/describe_error.ts";
import { reloadVerb } from "../pipeline/control/own_verbs.ts";
import { StatusTracker } from "../pipeline/status/status_tracker.ts";
import { runStreams, sharedBy, type Stream } from "../relay/streams.ts";
import { StreamSettings } from "../relay/stream_settings.ts";
import { rebuildVerb } from "../status/rebuild_verb.ts";
import { SYSTEM_CLOCK as clock } from "../util/clock.ts";
import { type LogFields, type Logger, withFields, worded } from "../util/log.ts";
import { verifyVerb } from "../verify/verify_verb.ts";
import { reworded } from "./reworded.ts";
import type { RunRelayContext } from "./run_relay.ts";
import { onHangup } from "./stop_signals.ts";
import { openWatchers } from "./watchers.ts";

export async function runFile(path: string, context: RunRelayContext): Promise<void> {
  const { signal, log, given, configureLog } = context;
  const read = () => openRelayFile(path, given);
  let file = read();
  const { listen, onFailure, logFormat: format, logLevel, onEventUrl: url } = file.process;
  const hooks = [...file.process.hooks ?? [], ...url ? [{ url }] : []];
  configureLog({ format, level: logLevel });
  const [first, ...others] = file.streams;
  const watched = (stream: StreamOfFile) => ({ stream, name: stream.name, status: latestStatus() });
  const all = [watched(first), ...others.map(watched)] as const;
  const monitoring = {
    listen,
    maxLag: () => file.process.maxLag,
    token: file.process.controlToken === undefined ? undefined : () => file.process.controlToken ?? "",
    sinkOf: (name: string) => (file.streams.find((each) => each.name === name) ?? first).settings.sink,
    settings: () => shownSettings(file),
    hooks,
    env: given.env,
    log,
  };
  await using watchers = await openWatchers({ ...monitoring, streams: all });
  for (const warning of file.warnings) log.warn(warning);
  const running = (each: typeof all[0]): Stream => {
    const { stream, name, status } = each;
    const reword = rewordFor(stream.given);
    const own = worded(withFields(log, { stream: name }), reword);
    const watcher = watchers.of(each, { log: own, statusLine: undefined });
    const verbs = { rebuild: rebuildVerb, reload: reloadVerb(reload), verify: verifyVerb };
    return {
      name,
      status,
      settings: new StreamSettings(configured(file, stream)),
      log: own,
      verbs,
      reworded: (error) => reworded(error, reword),
      ...watcher,
    };
  };
  const streams = [running(all[0]), ...all.slice(1).map(running)] as const;
  /** Returns why the file was not used. */
  function reload(): readonly string[] {
    const result = reloaded(file, read, { streams, log });
    file = result.file;
    configureLog({ format, level: file.process.logLevel });
    return result.refusals;
  }
  using _hangup = onHangup(reload);
  await runStreams(streams, { signal, log, shares: first.settings, onFailure });
}

/** The status of the last start of a stream. */
const latestStatus = () => ({
  tracker: new StatusTracker(clock),
  get current() {
    return this.tracker.current;
  },
});

const configured = ({ streams }: RelayFile, stream: StreamOfFile) => ({
  settings: sharedBy(streams.length, stream.settings),
  content: contentOf(stream),
});

const shownSettings = ({ processEffective, streams }: RelayFile) => [
  { title: "Process", effective: shownOf(processEffective) },
  ...streams.flatMap(({ name, effective, collections }) => [
    { title: name, effective: shownOf(effective) },
    ...collections.map(({ pattern, effective }) => ({
      title: `${name}, ${pattern}`,
      effective: shownOf(effective),
    })),
  ]),
];

interface ReloadContext {
  readonly streams: readonly Pick<Stream, "name" | "settings">[];
  readonly log: Logger;
}

/**
 * Applies the changes to the streams.
 *
 * @returns the file in effect, and why it is the previous one: `["The file was not reloaded: this setting needs a restart: …"]`
 */
export function reloaded(
  before: RelayFile,
  read: () => RelayFile,
  { streams, log }: ReloadContext,
): { readonly file: RelayFile; readonly refusals: readonly string[] } {
  const refuse = (message: string, what: string, fields: LogFields): string => {
    log.error(message, fields);
    return [`${message}: ${what}`, fields.hint].filter(Boolean).join(" ");
  };
  let after: RelayFile;
  try {
    after = read();
  } catch (error) {
    const { message, hint } = describe(error);
    const refusal = refuse("The file was not reloaded, and nothing has changed", message, {
      error: message,
      hint,
    });
    return { file: before, refusals: [refusal] };
  }
  const changes = changesOf(before, after);
  const refusals = changes.filter(({ reload }) => reload === "restart").map(({ reload: _, ...change }) => {
    const hint = "Restart cdc-relay: it resumes from its position. Or undo this change, and reload again.";
    const what = [...change.stream === undefined ? [] : [change.stream], `${changeText(change)}.`].join(": ");
    return refuse("The file was not reloaded: this setting needs a restart", what, { ...change, hint });
  });
  if (refusals.length > 0) return { file: before, refusals };
  log.info("The file was reloaded", { changes: changes.length });
  for (const { reload, ...change } of changes) {
    log.info("A setting has changed", { ...change, effect: EFFECTS[reload] });
  }
  for (const stream of after.streams) {
    const settings = streams.find(({ name }) => name === stream.name)?.settings;
    if (!settings) continue;
    const next = configured(after, stream);
    if (settings.current.content?.text !== next.content.text) settings.replace(next);
    // For the next start of the stream: the files of its secrets may have other content.
    else settings.current = next;
  }
  return { file: after, refusals };
}
