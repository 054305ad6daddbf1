/**
 * Holds one server for as long as its parent process lives: `server_host.ts mongodb PID`, likewise `cratedb` and `postgresql`.
 * Prints one line of JSON when the server is ready. It runs detached and asks for the parent instead of being notified of
 * its end, so that the server is stopped after Ctrl-C and `kill -9` too.
 */
import { setTimeout as delay } from "node:timers/promises";
import { NoServerError, type Server, type StartOptions } from "../../dev/servers/first_server.ts";
import { startCratedb } from "../../dev/servers/start_cratedb.ts";
import { startMongodb } from "../../dev/servers/start_mongodb.ts";
import { startPostgresql } from "../../dev/servers/start_postgresql.ts";

const STARTERS: Readonly<Record<string, (options: StartOptions) => Promise<Server>>> = {
  cratedb: startCratedb,
  mongodb: startMongodb,
  postgresql: () => startPostgresql(),
};
const POLL_INTERVAL = 50;

const [name = "", parent] = Deno.args;
const start = STARTERS[name];
if (!start) {
  throw new TypeError(
    `Cannot start a server as it must be one of ${Object.keys(STARTERS).join(", ")}: current value is ${
      Deno.args[0]
    }`,
  );
}

async function hold(start: () => Promise<Server>): Promise<void> {
  await using server = await start();
  tell({ description: server.description, server });
  while (`${Deno.ppid}` === parent) await delay(POLL_INTERVAL);
}

const tell = (message: unknown) =>
  Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify(message)}\n`));

try {
  await hold(() => start({ inMemory: Deno.env.get("TEST_SERVERS_IN_MEMORY") === "1" }));
} catch (error) {
  if (error instanceof NoServerError) tell({ description: error.message });
  else tell({ error: error instanceof Error ? error.stack : String(error) });
}
Deno.exit();
