/** `demo`: the relay at work on a database of its own, shown step by step; leaves nothing behind. */
import { relayConfig } from "../cli/config.ts";
import { byHand } from "./by_hand.ts";
import type { DemoSettings } from "./settings.ts";
import { createScreen, type Screen } from "./screen.ts";
import { openServers, type Servers } from "./servers.ts";
import { showCheck } from "./show_check.ts";
import { LOAD, showLoad } from "./show_load.ts";
import { showStep } from "./show_step.ts";
import { Sides } from "./sides.ts";
import { STEPS } from "./steps.ts";
import { createLogger, type Logger } from "../util/log.ts";
import { relay } from "../pipeline/relay.ts";
import { openTransport } from "../sink/connection/open_transport.ts";
import { parseSinkUrl } from "../sink/connection/url.ts";
import { closeMongodb, connectMongodb } from "../source/mongodb.ts";

export interface DemoContext {
  readonly signal: AbortSignal;
}

/**
 * @throws UserError when a server cannot be had, a row doesn't come or the check finds a difference; the signal's
 * reason when it is aborted
 */
export async function demo(config: DemoSettings, { signal }: DemoContext): Promise<void> {
  const screen = createScreen(config.env);
  try {
    await show(config, { signal, screen });
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error; // Whoever reads, head(1) perhaps, has had enough.
  }
}

async function show(
  config: DemoSettings,
  { signal, screen }: DemoContext & { readonly screen: Screen },
): Promise<void> {
  const database = `cdc_demo_${crypto.randomUUID().slice(0, 6)}`;
  await using closing = new AsyncDisposableStack();
  const servers = closing.use(await openServers(config, { database, screen, signal }));
  const client = closing.adopt(await connectMongodb(servers.mongodbUrl), closeMongodb);
  const transport = closing.use(await openTransport(parseSinkUrl(servers.sinkUrl)));
  const relaying = closing.use(startRelay(config, { servers, database, signal }));
  await relaying.ready;
  const sides = new Sides({ db: client.db(database), transport });
  const options = { sides, screen, signal: relaying.signal };
  screen.tell(`The relay follows ${database}, and writes to the schema ${database} of ${sides.sink}.`);

  for (const step of STEPS) await showStep(step, options);
  await showLoad({ ...options, count: config.count });
  const collections = [...new Set([...STEPS.map(({ collection }) => collection), LOAD])];
  await showCheck(collections, options);
  const lines = byHand({ ...servers, table: sides.tableOf("conflicts") });
  await END[config.servers](lines, options);
}

interface EndOptions {
  readonly screen: Screen;
  readonly signal: AbortSignal;
}

const END: Readonly<
  Record<DemoSettings["servers"], (lines: string[], options: EndOptions) => Promise<void>>
> = {
  stop: (_lines, { screen }) => {
    screen.print("", "To look for yourself, run it with --keep: all of this stays there until Ctrl-C.");
    return Promise.resolve();
  },
  keep: async (lines, { screen, signal }) => {
    screen.print("", screen.strong("Look for yourself:"), ...lines.map((line) => `  ${line}`));
    screen.tell("The relay goes on, and all of this stays there until Ctrl-C.");
    const { promise, resolve } = Promise.withResolvers<void>();
    signal.addEventListener("abort", () => resolve());
    if (!signal.aborted) await promise;
    signal.throwIfAborted();
  },
};

interface Relaying extends AsyncDisposable {
  /** Resolves when changes are followed. */
  readonly ready: Promise<void>;
  /** Aborted with the demo's signal, and with the relay's error when it fails. */
  readonly signal: AbortSignal;
}

interface StartRelayOptions {
  readonly servers: Servers;
  readonly database: string;
  readonly signal: AbortSignal;
}

function startRelay(config: DemoSettings, { servers, database, signal }: StartRelayOptions): Relaying {
  const flags = {
    "mongodb-url": servers.mongodbUrl,
    "cratedb-url": servers.sinkUrl,
    database,
    table: `${database}.{collection}`,
  };
  const [stop, failed] = [new AbortController(), new AbortController()];
  const { promise: ready, resolve, reject } = Promise.withResolvers<void>();
  const log = listening(createLogger(config.log), (message) => message === "Ready" && resolve());
  const stopped = AbortSignal.any([signal, stop.signal]);
  const ended = relay(relayConfig({ flags, env: {} }), { signal: stopped, log, terminal: false })
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

/** The same logger, which lets somebody hear what is told as information. */
const listening = (log: Logger, hear: (message: string) => void): Logger => ({
  ...log,
  info: (message, fields) => {
    hear(message);
    log.info(message, fields);
  },
});
