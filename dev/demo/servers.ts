/** The two servers of the demo. */
import { openTransport } from "../../lib/sink/connection/open_transport.ts";
import { parseSinkUrl } from "../../lib/sink/connection/url.ts";
import { connectMongodb } from "../../lib/source/connection/mongodb.ts";
import { messageOf, UserError } from "../../lib/util/errors.ts";
import { maskUrl } from "../../lib/util/mask_url.ts";
import type { Server } from "../servers/first_server.ts";
import { NoServerError } from "../servers/no_server_error.ts";
import { startCratedb } from "../servers/start_cratedb.ts";
import { startMongodb } from "../servers/start_mongodb.ts";
import { removeDatabase, removeSchema } from "./remove.ts";
import type { Screen } from "./screen.ts";

/** A running server, and the flag or variable that names it; both empty if the demo starts one. */
export interface NamedServer {
  readonly url: string;
  /** @example MONGODB_URL */
  readonly source: string;
}

export interface Servers extends AsyncDisposable {
  readonly mongodb: DemoServer;
  readonly sink: DemoServer;
}

interface DemoServer extends Server {
  readonly url: string;
}

interface OpenServersOptions {
  /** Database of MongoDB and schema of the sink; removed from servers that the demo did not start. */
  readonly database: string;
  readonly screen: Screen;
  readonly signal: AbortSignal;
}

/**
 * Opens the named servers and starts the others. Prints a line for each.
 *
 * @throws UserError when one is not available
 */
export async function openServers(
  settings: { readonly mongodb: NamedServer; readonly sink: NamedServer },
  { database, screen, signal }: OpenServersOptions,
): Promise<Servers> {
  const { mongodb, sink } = settings;
  const started = [...mongodb.url ? [] : ["MongoDB"], ...sink.url ? [] : ["CrateDB"]];
  if (started.length > 0) screen.note(`Starting ${started.join(" and ")} …`);
  const openings = [
    mongodb.url ? namedMongodb(mongodb, database) : startMongodb({ url: "", signal }),
    sink.url ? namedSink(sink, database) : startSink(signal),
  ].map((opening) =>
    opening.then((server: DemoServer) => {
      screen.note(server.description);
      return server;
    })
  );
  await using closing = new AsyncDisposableStack();
  for (const outcome of await Promise.allSettled(openings)) {
    if (outcome.status === "fulfilled") {
      closing.defer(async () => {
        try {
          await outcome.value[Symbol.asyncDispose]();
        } catch (error) {
          screen.note(`Not removed: ${messageOf(error)}`);
        }
      });
    }
  }
  signal.throwIfAborted();
  const [source, target] = await Promise.all(openings).catch((error) => {
    throw error instanceof NoServerError ? new UserError(error.message, { hint: NO_SERVER }) : error;
  });
  const open = closing.move();
  return {
    mongodb: source as DemoServer,
    sink: target as DemoServer,
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  };
}

const NO_SERVER =
  "Set MONGODB_URL to a running server, start a container engine, or put a mongod on the PATH.";

async function namedMongodb({ url, source }: NamedServer, database: string): Promise<DemoServer> {
  await (await connectMongodb(url)).close();
  const description = `MongoDB: ${maskUrl(url)} (from ${source})`;
  return { url, description, [Symbol.asyncDispose]: () => removeDatabase(url, database) };
}

async function namedSink({ url, source }: NamedServer, schema: string): Promise<DemoServer> {
  await using transport = await openTransport(parseSinkUrl(url));
  await transport.query("SELECT 1");
  const description = `${transport.dialect.name}: ${maskUrl(url)} (from ${source})`;
  return { url, description, [Symbol.asyncDispose]: () => removeSchema(url, schema) };
}

/** Starts CrateDB or, without containers, PGlite. */
async function startSink(signal: AbortSignal): Promise<DemoServer> {
  try {
    const cratedb = await startCratedb({ wireUrl: "", httpUrl: "", signal });
    return { ...cratedb, url: cratedb.httpUrl };
  } catch (error) {
    if (!(error instanceof NoServerError)) throw error;
    const { startPostgresql } = await import("../servers/start_postgresql.ts");
    const postgresql = await startPostgresql({ url: "" });
    return { ...postgresql, description: `${postgresql.description}; ${error.message}` };
  }
}
