/** `demo`: the relay at work on a database of its own, shown step by step; leaves nothing behind. */
import { emitter, type Listener, on } from "../../lib/pipeline/status/events.ts";
import { relay } from "../../lib/relay/relay.ts";
import type { RelaySettings } from "../../lib/pipeline/settings.ts";
import { openTransport } from "../../lib/sink/connection/open_transport.ts";
import { parseSinkUrl } from "../../lib/sink/connection/url.ts";
import { closeMongodb, connectMongodb } from "../../lib/source/connection/mongodb.ts";
import type { Logger } from "../../lib/util/log.ts";
import { byHand } from "./by_hand.ts";
import type { Screen } from "./screen.ts";
import { openServers, type Servers } from "./servers.ts";
import { isBrokenPipe } from "../../lib/util/standard_streams.ts";
import type { DemoSettings } from "./settings.ts";
import { showCheck } from "./show_check.ts";
import { LOAD, showLoad } from "./show_load.ts";
import { showStep } from "./show_step.ts";
import { Sides } from "./sides.ts";
import { STEPS } from "./steps.ts";

export interface DemoContext {
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly screen: Screen;
  /** Told of what the relay does. */
  readonly listener: Listener;
  /** The relay's settings for a database, from these servers. */
  readonly relaySettings: (servers: Servers, database: string) => RelaySettings;
  /** The URL of the script that holds the servers which the demo starts. */
  readonly hostScript: string;
}

/**
 * @throws UserError when a server cannot be had, a row does not come or the check finds a difference; the signal's
 * reason when it is aborted
 */
export async function demo(settings: DemoSettings, context: DemoContext): Promise<void> {
  try {
    await show(settings, context);
  } catch (error) {
    if (!isBrokenPipe(error)) throw error;
  }
}

async function show(settings: DemoSettings, context: DemoContext): Promise<void> {
  const { screen } = context;
  const database = `cdc_demo_${crypto.randomUUID().slice(0, 6)}`;
  await using closing = new AsyncDisposableStack();
  const servers = closing.use(await openServers(settings, { ...context, database }));
  const client = closing.adopt(await connectMongodb(servers.mongodbUrl), closeMongodb);
  const transport = closing.use(await openTransport(parseSinkUrl(servers.sinkUrl)));
  const relaying = closing.use(startRelay(context.relaySettings(servers, database), context));
  await relaying.ready;
  const sides = new Sides({ db: client.db(database), transport });
  const options = { sides, screen, signal: relaying.signal };
  screen.tell(`The relay follows ${database}, and writes to the schema ${database} of ${sides.sink}.`);

  for (const step of STEPS) await showStep(step, options);
  await showLoad({ ...options, count: settings.count });
  const collections = [...new Set([...STEPS.map(({ collection }) => collection), LOAD])];
  await showCheck(collections, options);
  if (settings.servers === "keep") {
    await keep(byHand({ ...servers, table: sides.tableOf("conflicts") }), options);
  } else screen.print("", "To look for yourself, run it with --keep: all of this stays there until Ctrl-C.");
}

interface KeepOptions {
  readonly screen: Screen;
  readonly signal: AbortSignal;
}

async function keep(lines: readonly string[], { screen, signal }: KeepOptions): Promise<void> {
  screen.print("", screen.strong("Look for yourself:"), ...lines.map((line) => `  ${line}`));
  screen.tell("The relay goes on, and all of this stays there until Ctrl-C.");
  const { promise, resolve } = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => resolve());
  if (!signal.aborted) await promise;
  signal.throwIfAborted();
}

interface Relaying extends AsyncDisposable {
  /** Resolves when changes are followed. */
  readonly ready: Promise<void>;
  /** Aborted with the demo's signal, and with the relay's error when it fails. */
  readonly signal: AbortSignal;
}

function startRelay(settings: RelaySettings, { signal, log, listener }: DemoContext): Relaying {
  const stop = new AbortController();
  const failed = new AbortController();
  const { promise: ready, resolve, reject } = Promise.withResolvers<void>();
  const ended = relay(settings, {
    signal: AbortSignal.any([signal, stop.signal]),
    log,
    emit: emitter(listener, on({ ready: () => resolve() })),
  })
    .catch((error) => failed.abort(error))
    .finally(() => reject(failed.signal.reason ?? signal.reason));
  ready.catch(() => {}); // It is awaited later.
  return {
    ready,
    signal: AbortSignal.any([signal, failed.signal]),
    async [Symbol.asyncDispose]() {
      stop.abort();
      await ended;
    },
  };
}
