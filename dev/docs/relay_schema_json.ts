/** `relay.schema.json`: the form of `relay.yaml` as JSON Schema, for editors. */
import { relaySchema } from "../../lib/config/relay_schema.ts";
import { loadSchemaExport } from "../deps.ts";

/** The one that editors show for the file. */
const HEAD = { title: "relay.yaml", description: "The streams of a cdc-relay, from MongoDB to CrateDB." };

/** @example OUT: {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "relay.yaml", …} */
export async function relaySchemaJson(): Promise<Record<string, unknown>> {
  const { toJsonSchema } = await loadSchemaExport();
  const { $schema, ...schema } = toJsonSchema(relaySchema(), {
    target: "draft-2020-12",
    typeMode: "output",
    ignoreActions: ["raw_check"],
    // A check refuses unknown keys, so that all of them are reported.
    overrideSchema: ({ jsonSchema }) =>
      jsonSchema.properties ? { ...jsonSchema, additionalProperties: false } : undefined,
  });
  return { $schema, ...HEAD, ...schema };
}
