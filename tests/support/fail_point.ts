/** Commands of a MongoDB server that fail on demand. */
import type { MongoClient } from "mongodb";

/** What a server is started with to have fail points. */
export const TEST_COMMANDS = { args: ["--setParameter", "enableTestCommands=1"] };

const PRIMARY_STEPPED_DOWN = 189;

interface Failure {
  /** @default {that of a primary that stepped down} */
  readonly errorCode?: number;
  /** Only of commands on this collection. @default {any} */
  readonly namespace?: string;
}

/** Has the next commands of these names fail. */
export const failNext = (
  client: MongoClient,
  failCommands: readonly string[],
  times: number,
  { errorCode = PRIMARY_STEPPED_DOWN, ...which }: Failure = {},
) =>
  client.db("admin").command({
    configureFailPoint: "failCommand",
    mode: { times },
    data: { failCommands, errorCode, ...which },
  });

/** Has each command of these names wait so many milliseconds before it runs. */
export const holdAll = (client: MongoClient, failCommands: readonly string[], blockTimeMS: number) =>
  client.db("admin").command({
    configureFailPoint: "failCommand",
    mode: "alwaysOn",
    data: { failCommands, blockConnection: true, blockTimeMS },
  });
