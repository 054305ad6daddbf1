/** Writes a `relay.yaml` with what flags and variables give. */
import { stringify } from "yaml";
import { BSON } from "../bson/library.ts";
import { type PartitionBy, partitionText } from "../mapping/partition.ts";
import { maskUrl } from "../util/mask_url.ts";
import { isName } from "./collection_rules.ts";
import { isToken, type Option, type OptionTable, variablesOf } from "./option.ts";
import { PROCESS } from "./options.ts";
import { isList, parse } from "./parsers.ts";
import { find, type Found, type Given } from "./read.ts";
import { OF_STREAM, serverOption, SERVERS } from "./relay_schema.ts";

const HEAD = `# yaml-language-server: $schema=./relay.schema.json
# The schema is what \`config schema\` prints. docs/configuration.md describes this file.
`;

/**
 * Returns the text of a file with which a relay has the same settings. A password becomes the name of a variable.
 * @example IN: {flags: {database: "shop", lease: "20s"}} → OUT: version: 1\nstreams:\n  shop:\n    database: shop\n    lease: 20s\n
 */
export function relayFileText(given: Given): string {
  const stream = part(OF_STREAM, given);
  const { database } = stream;
  const text = stringify({
    version: 1,
    mongodb: part(SERVERS.mongodb, given, "mongodb"),
    cratedb: part(SERVERS.cratedb, given, "cratedb"),
    ...part(PROCESS, given),
    streams: { [typeof database === "string" && isName(database) ? database : "main"]: stream },
  });
  const asComment = (_: string, server: string) =>
    `# ${server}: { url: { env: ${server.toUpperCase()}_URL } }`;
  return HEAD + text.replace(/^(mongodb|cratedb): \{\}$/gm, asComment);
}

const part = (table: OptionTable, given: Given, server?: string): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    Object.entries(table).flatMap(([key, option]) => {
      const name = server === undefined ? key : serverOption(server, key);
      const found = find(name, option, given);
      return found ? [[key, valueOf(name, option, found)]] : [];
    }),
  );

function valueOf(name: string, option: Option, { source, value, file }: Found): unknown {
  if (file !== undefined) return { file };
  if (option.secret) {
    const variables = variablesOf(name, option);
    if (variables.includes(source)) return { env: source };
    return isToken(option) || option.type === "webhook" || maskUrl(`${value}`) !== value
      ? { env: variables[0] }
      : value;
  }
  const parsed = parse(option, value);
  if (option.type === "count") return parsed;
  if (option.type === "partition") return partitionText(parsed as PartitionBy);
  if (option.type === "filter" || option.type === "pipeline") return plain(parsed);
  return isList(option) && Array.isArray(parsed) ? parsed.length === 1 ? parsed[0] : parsed : value;
}

/** Extended JSON, without the types of values that have them anyway. */
function plain(value: unknown): unknown {
  const { parse, serialize, stringify } = BSON.EJSON;
  const canonical = (each: unknown) => stringify(each, { relaxed: false });
  const relaxed = stringify(value, { relaxed: true });
  const isSame = canonical(parse(relaxed, { relaxed: false })) === canonical(value);
  return isSame ? JSON.parse(relaxed) : serialize(value, { relaxed: false });
}
