/** Commands of a MongoDB server that fail on demand. */
import type { MongoClient } from "mongodb";

/** What a server is started with to have fail points. */
export const TEST_COMMANDS = { args: ["--setParameter", "enableTestCommands=1"] };

const PRIMARY_STEPPED_DOWN = 189;

/** Has the next commands of these names fail. */
export const failNext = (client: MongoClient, failCommands: readonly string[], times: number) =>
  client.db("admin").command({
    configureFailPoint: "failCommand",
    mode: { times },
    data: { failCommands, errorCode: PRIMARY_STEPPED_DOWN },
  });

/** Has each command of these names wait so many milliseconds before it runs. */
export const holdAll = (client: MongoClient, failCommands: readonly string[], blockTimeMS: number) =>
  client.db("admin").command({
    configureFailPoint: "failCommand",
    mode: "alwaysOn",
    data: { failCommands, blockConnection: true, blockTimeMS },
  });
