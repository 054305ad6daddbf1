import assert from "node:assert/strict";
import { relaySchemaJson } from "../../../dev/docs/relay_schema_json.ts";
import schema from "../../../relay.schema.json" with { type: "json" };

Deno.test("relay.schema.json has the options of the program", async () => {
  assert.deepEqual(
    schema,
    JSON.parse(JSON.stringify(await relaySchemaJson())),
    "It is outdated: run deno task docs",
  );
});

Deno.test("relaySchemaJson() explains each setting, and refuses unknown ones", async () => {
  const { additionalProperties, properties } = JSON.parse(JSON.stringify(await relaySchemaJson()));
  assert.equal(additionalProperties, false);
  assert.deepEqual(properties.onFailure, {
    enum: ["restart", "end"],
    type: "string",
    description: "If a stream fails: restart it, or end the process. Default: restart.",
  });
});
