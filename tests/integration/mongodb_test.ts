import assert from "node:assert/strict";
import { MongoClient } from "mongodb";
import { createLogger } from "../../lib/util/log.ts";
import { collectionsOf } from "../../lib/source/documents/collections.ts";
import { closeMongodb, connectMongodb } from "../../lib/source/connection/mongodb.ts";
import { Scope } from "../../lib/source/documents/scope.ts";
import { quietReader } from "../support/quiet_reader.ts";
import { mongodbTest } from "../support/mongodb_harness.ts";

mongodbTest("connectMongodb() leaves the options of a URL as they are", async ({ mongodbUrl }) => {
  const start = `${mongodbUrl}${mongodbUrl.includes("?") ? "&" : "/?"}`;
  for (
    const [query, expected] of [
      ["", { serverSelectionTimeoutMS: 5_000, connectTimeoutMS: 5_000, appName: "mongodb_cdc_cratedb" }],
      ["serverselectiontimeoutms=1234&appName=mine", {
        serverSelectionTimeoutMS: 1_234,
        connectTimeoutMS: 5_000,
        appName: "mine",
      }],
    ] as const
  ) {
    const client = await connectMongodb(`${start}${query}`);
    const { serverSelectionTimeoutMS, connectTimeoutMS, appName } = client.options;
    await closeMongodb(client);
    assert.deepEqual({ serverSelectionTimeoutMS, connectTimeoutMS, appName }, expected);
  }
});

mongodbTest(
  "collectionsOf() asks for those of no other database",
  async ({ mongodb, mongodbUrl, database }) => {
    for (const name of [database, `${database}_2`]) await mongodb.db(name).createCollection("data");
    await using client = new MongoClient(mongodbUrl, { monitorCommands: true });
    const asked = new Set<string>();
    client.on("commandStarted", ({ commandName, databaseName }) => {
      if (commandName === "listCollections") asked.add(databaseName);
    });
    const log = createLogger({ format: "text", level: "error" });
    try {
      for (
        const [databases, isAskedFor] of [
          [`${database}*`, (name: string) => name.startsWith(database)],
          ["*", (name: string) => !["admin", "config", "local"].includes(name)],
        ] as const
      ) {
        asked.clear();
        await using reader = quietReader(client);
        const found = await collectionsOf(
          reader,
          new Scope({ databases: [databases], collections: ["*"], exclude: [] }),
          { log },
        );
        assert.ok(asked.has(database) && [...asked].every(isAskedFor), [...asked].join(", "));
        assert.ok(found.some((each) => each.database === `${database}_2`));
      }
    } finally {
      await mongodb.db(`${database}_2`).dropDatabase();
    }
  },
);
