/** `relay.schema.json`: the form of `relay.yaml` as JSON Schema, for editors. */
import { relaySchema } from "../../lib/config/relay_schema.ts";
import { loadSchemaExport } from "../deps.ts";

/** The one that editors show for the file. */
const HEAD = { title: "relay.yaml", description: "The streams of a cdc-relay, from MongoDB to CrateDB." };

/** @example OUT: {"$schema": "http://json-schema.org/draft-07/schema#", "title": "relay.yaml", …} */
export async function relaySchemaJson(): Promise<Record<string, unknown>> {
  const { toJsonSchema } = await loadSchemaExport();
  const { $schema, ...schema } = toJsonSchema(relaySchema(), {
    // Editors support this version.
    target: "draft-07",
    typeMode: "output",
    ignoreActions: ["raw_check"],
    // A check refuses unknown keys, so that all of them are reported.
    overrideSchema: ({ jsonSchema }) =>
      jsonSchema.properties ? { ...jsonSchema, additionalProperties: false } : undefined,
  });
  return { $schema, ...HEAD, ...schema };
}
