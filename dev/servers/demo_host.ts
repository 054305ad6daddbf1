/**
 * Starts the servers that the demo lacks and removes what the demo leaves, as soon as its standard input ends: with the
 * demo, after Ctrl-C and `kill -9` too. A process of its own, in no terminal's foreground, so that nothing else ends it.
 *
 * The first line of its input is a {@linkcode HostRequest}, a second one says that the demo has ended by itself; each
 * line of its output that is JSON is a {@linkcode HostMessage}.
 */
import process from "node:process";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { describe } from "../../lib/pipeline/status/describe_error.ts";
import { messageOf } from "../../lib/util/errors.ts";
import type { Server } from "./first_server.ts";
import { isBrokenPipe, type OutputStream, STDERR, STDOUT } from "../../lib/util/standard_streams.ts";
import { NoServerError } from "./no_server_error.ts";
import type { HostedServer, HostMessage, HostRequest, ServerName } from "../demo/host_messages.ts";
import { removeDatabase, removeSchema } from "../demo/remove.ts";

/** A demo that was killed may have statements on their way: what it leaves is removed again after these milliseconds. */
const AGAIN_MS = [500, 1_500];

async function hold({ database, mongodbUrl, sinkUrl }: HostRequest, ended: Ended): Promise<void> {
  const again = async () => (await ended).done ? AGAIN_MS : [];
  await using stack = new AsyncDisposableStack();
  const provide = async (name: ServerName, start: () => Promise<Server & HostedServer>) => {
    try {
      const { url, description } = stack.use(await start());
      tell({ [name]: { url, description } });
    } catch (error) {
      tell({ error: describe(error) });
    }
  };
  if (mongodbUrl) {
    stack.defer(async () => await remove(() => removeDatabase(mongodbUrl, database), await again()));
  }
  if (sinkUrl) stack.defer(async () => await remove(() => removeSchema(sinkUrl, database), await again()));
  await Promise.all([
    mongodbUrl ? undefined : provide("mongodb", startMongodb),
    sinkUrl ? undefined : provide("sink", startSink),
  ]);
  await ended;
}

type Ended = Promise<IteratorResult<string>>;

async function startMongodb() {
  const { startMongodb } = await import("./start_mongodb.ts");
  return await startMongodb({ url: "" });
}

/** PGlite where there is no CrateDB: the next best, that is everywhere. */
async function startSink(): Promise<Server & HostedServer> {
  const { startCratedb } = await import("./start_cratedb.ts");
  try {
    const cratedb = await startCratedb({ wireUrl: "", httpUrl: "" });
    return { ...cratedb, url: cratedb.httpUrl };
  } catch (error) {
    if (!(error instanceof NoServerError)) throw error;
    const { startPostgresql } = await import("./start_postgresql.ts");
    const postgresql = await startPostgresql({ url: "", folder: "" });
    const why = error.message.replace(/^CrateDB: none, /, "");
    return { ...postgresql, description: `${postgresql.description.replace(/, as .*/, "")}, ${why}` };
  }
}

/** What cannot be removed is told of. */
async function remove(removal: () => Promise<void>, again: readonly number[]): Promise<void> {
  try {
    await removal();
    for (const wait of again) {
      await delay(wait);
      await removal();
    }
  } catch (error) {
    write(STDERR, `Not removed: ${messageOf(error)}`);
  }
}

const tell = (message: HostMessage): void => write(STDOUT, JSON.stringify(message));

function write(stream: OutputStream, line: string): void {
  try {
    stream.write(`${line}\n`);
  } catch (error) {
    if (!isBrokenPipe(error)) throw error; // The demo was killed.
  }
}

if (import.meta.main) {
  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  const { value: request } = await lines.next();
  if (request) await hold(JSON.parse(request), lines.next());
  Deno.exit();
}
