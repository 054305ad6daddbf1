/** The two servers of the demo. */
import { openTransport } from "../../lib/sink/connection/open_transport.ts";
import { parseSinkUrl } from "../../lib/sink/connection/url.ts";
import { connectMongodb } from "../../lib/source/connection/mongodb.ts";
import { messageOf, UserError } from "../../lib/util/errors.ts";
import { maskUrl } from "../../lib/util/mask_url.ts";
import { NoServerError, type Server } from "../servers/first_server.ts";
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

interface DemoServer extends Server {
  readonly url: string;
}

interface OpenServersOptions {
  /** Database of MongoDB and schema of the sink; removed from servers that the demo did not start. */
  readonly database: string;
  readonly screen: Screen;
  readonly signal: AbortSignal;
  /** Stops the started servers. */
  readonly closing: AsyncDisposableStack;
}

/**
 * Opens the named servers and starts the others. Prints a line for each.
 *
 * @returns the URLs of MongoDB and the sink
 * @throws UserError when one is not available
 */
export async function openServers(
  mongodb: NamedServer,
  sink: NamedServer,
  { database, screen, signal, closing }: OpenServersOptions,
): Promise<readonly [string, string]> {
  const missing = [...mongodb.url ? [] : ["MongoDB"], ...sink.url ? [] : ["CrateDB"]];
  if (missing.length > 0) screen.note(`Starting ${missing.join(" and ")} …`);
  const open = async (opening: Promise<DemoServer>) => {
    const server = await opening;
    closing.defer(async () => {
      await Promise.resolve(server[Symbol.asyncDispose]())
        .catch((error) => screen.note(`Not removed: ${messageOf(error)}`));
    });
    screen.note(server.description);
    return server.url;
  };
  const urls = [
    open(mongodb.url ? namedMongodb(mongodb, database) : startMongodb({ url: "", signal })),
    open(sink.url ? namedSink(sink, database) : startSink(signal)),
  ] as const;
  await Promise.allSettled(urls);
  signal.throwIfAborted();
  return await Promise.all(urls).catch((error) => {
    throw error instanceof NoServerError ? new UserError(error.message, { hint: NO_SERVER }) : error;
  });
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
