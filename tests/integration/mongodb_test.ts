import assert from "node:assert/strict";
import { closeMongodb, connectMongodb } from "../../lib/source/mongodb.ts";
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
