/** The parts of the demo, in order: servers, steps, load, check, and how to look at the data. */
import { type Logger, type RelayOptions, startRelay, UserError, verify } from "../../lib/mod.ts";
import { openTransport } from "../../lib/sink/connection/open_transport.ts";
import { parseSinkUrl } from "../../lib/sink/connection/url.ts";
import { quoteTable } from "../../lib/sink/sql/names.ts";
import { closeMongodb, connectMongodb } from "../../lib/source/connection/mongodb.ts";
import { maskUrl } from "../../lib/util/mask_url.ts";
import { textReport } from "../../lib/verify/result.ts";
import type { Screen } from "./screen.ts";
import { type NamedServer, openServers } from "./servers.ts";
import { showLoad } from "./show_load.ts";
import { showStep } from "./show_step.ts";
import { Sides } from "./sides.ts";
import { STEPS } from "./steps.ts";

export interface DemoSettings {
  readonly mongodb: NamedServer;
  readonly sink: NamedServer;
  /** Operations of the load. */
  readonly count: number;
  /** Whether servers and data stay until the signal is aborted. */
  readonly keep: boolean;
}

export interface DemoContext {
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly screen: Screen;
}

/**
 * @throws UserError when a server is not available, a row does not arrive or the check finds a difference; the signal's
 * reason when it is aborted
 */
export async function demo(
  settings: DemoSettings,
  { signal: stop, log, screen }: DemoContext,
): Promise<void> {
  const database = `cdc_demo_${crypto.randomUUID().slice(0, 6)}`;
  await using closing = new AsyncDisposableStack();
  const { mongodb, sink } = settings;
  const options = { database, screen, signal: stop, closing };
  const [mongodbUrl, cratedbUrl] = await openServers(mongodb, sink, options);
  const client = closing.adopt(await connectMongodb(mongodbUrl), closeMongodb);
  const transport = closing.use(await openTransport(parseSinkUrl(cratedbUrl)));
  const stream = { mongodbUrl, cratedbUrl, database, table: `${database}.{collection}` };
  // The relay warns of a database that does not exist.
  await client.db(database).createCollection(STEPS[0].collection);
  const relay = closing.use(startRelay(stream, { log, signal: stop }));
  await relay.ready;
  const failed = new AbortController();
  relay.done.catch((error) => failed.abort(error));
  const signal = AbortSignal.any([stop, failed.signal]);
  const sides = new Sides(client.db(database), transport, signal);
  screen.note(`The relay replicates the database ${database} into the schema ${database} of ${sides.sink}.`);

  for (const step of STEPS) await showStep(step, sides, screen);
  await showLoad(settings.count, sides, screen);
  await showCheck(stream, { screen, log, signal });
  if (!settings.keep) {
    return screen.print("", "To look at the data, run the demo with --keep: it keeps them until Ctrl-C.");
  }
  const select = `SELECT oid, data, overflow FROM ${quoteTable(sides.tableOf("conflicts"))}`;
  const find = `db.getSiblingDB("${database}").conflicts.find()`;
  screen.print(
    "",
    screen.strong("Look at the data:"),
    `  mongosh ${quoted(maskUrl(mongodbUrl))} --eval ${quoted(find)}`,
    `  ${sinkCommand(cratedbUrl, select)}`,
  );
  screen.note("The relay keeps running, and the data stays, until Ctrl-C.");
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve));
  signal.throwIfAborted();
}

/** @throws UserError when a document and its row differ */
async function showCheck(stream: RelayOptions, { screen, log, signal }: DemoContext): Promise<void> {
  const title = `${screen.strong("Check")}: \`verify\` compares each document with its row, value by value`;
  screen.print("", title);
  const results = await verify(stream, { log, signal });
  screen.print(...textReport(results).split("\n").map((line) => `  ${line}`));
  if (results.every(({ outcome }) => outcome === "equal")) return;
  throw new UserError("Collections and tables differ.", { hint: "Please report it, with the lines above." });
}

/** @example OUT: crash -U 'me' --hosts 'http://localhost:4200' -c 'SELECT …' */
function sinkCommand(url: string, select: string): string {
  const { transport, host, port, tls, user, password } = parseSinkUrl(url);
  if (transport === "wire") {
    return `psql ${quoted(maskUrl(url).replace(/^[^:]+/, "postgresql"))} -c ${quoted(select)}`;
  }
  const address = `${tls ? "https" : "http"}://${host}:${port}`;
  return `crash ${password ? `-U ${quoted(user)} ` : ""}--hosts ${quoted(address)} -c ${quoted(select)}`;
}

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
