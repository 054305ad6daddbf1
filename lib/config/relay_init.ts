/** Writes a `relay.yaml` with what flags and variables give. */
import { BSON } from "mongodb";
import { stringify } from "yaml";
import { maskUrl } from "../util/mask_url.ts";
import { isName } from "./collection_rules.ts";
import { type Option, type OptionTable, variablesOf } from "./option.ts";
import { PROCESS } from "./options.ts";
import { parse } from "./parsers.ts";
import { find, type Given } from "./read.ts";
import { OF_STREAM, serverOption, SERVERS } from "./relay_schema.ts";

const HEAD = `# yaml-language-server: $schema=./relay.schema.json
# The schema is what \`config schema\` prints. docs/configuration.md describes this file.
`;

/** The parts that a first file needs, if nothing is given for them. */
const EXAMPLES = {
  mongodb: "# mongodb: { url: { env: MONGODB_URL } }\n",
  cratedb: "# cratedb: { url: { env: CRATEDB_URL } }\n",
};

/**
 * Returns the text of a file with which a relay has the same settings. A password becomes the name of a variable.
 *
 * @example
 * IN: {flags: {database: "shop", lease: "20s"}, env: {MONGODB_URL: "mongodb://db/"}}
 * OUT: version: 1\nmongodb:\n  url:\n    env: MONGODB_URL\nstreams:\n  shop:\n    database: shop\n    lease: 20s\n
 */
export function relayFileText(given: Given): string {
  const mongodb = serverPart("mongodb", given);
  const cratedb = serverPart("cratedb", given);
  const stream = part(OF_STREAM, given);
  const file = {
    version: 1,
    ...hasAny(mongodb) && { mongodb },
    ...hasAny(cratedb) && { cratedb },
    ...part(PROCESS, given),
    streams: { [nameOf(stream.database)]: stream },
  };
  return [
    HEAD,
    hasAny(mongodb) ? "" : EXAMPLES.mongodb,
    hasAny(cratedb) ? "" : EXAMPLES.cratedb,
    stringify(file),
  ].join("");
}

const hasAny = (value: object): boolean => Object.keys(value).length > 0;

const nameOf = (database: unknown): string =>
  typeof database === "string" && isName(database) ? database : "main";

const part = (table: OptionTable, given: Given): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(table).flatMap(([name, option]) => {
      const value = valueFor(name, option, given);
      return value === undefined ? [] : [[name, value]];
    }),
  );

const serverPart = (server: keyof typeof SERVERS, given: Given): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(SERVERS[server]).flatMap(([key, option]) => {
      const value = valueFor(serverOption(server, key), option, given);
      return value === undefined ? [] : [[key, value]];
    }),
  );

function valueFor(name: string, option: Option, given: Given): unknown {
  const found = find(name, option, given);
  if (!found) return undefined;
  const { source, value, file } = found;
  if (file !== undefined) return { file };
  const variables = variablesOf(name, option);
  if (option.secret) {
    const isPublic = option.type !== "token" && maskUrl(`${value}`) === value;
    return isPublic && !variables.includes(source)
      ? value
      : { env: variables.find((each) => each === source) ?? variables[0] };
  }
  switch (option.type) {
    case "count":
      return parse(option, value);
    case "names":
    case "paths":
    case "omittedPaths": {
      const list = parse(option, value) as readonly string[];
      return list.length === 1 ? list[0] : list;
    }
    case "filter":
    case "pipeline":
      return plain(parse(option, value));
    default:
      return value;
  }
}

/** Extended JSON, without the types of values that have them anyway. */
function plain(value: unknown): unknown {
  const { stringify, parse, serialize } = BSON.EJSON;
  const canonical = (each: unknown) => stringify(each, { relaxed: false });
  const relaxed = stringify(value, { relaxed: true });
  const isSame = canonical(parse(relaxed, { relaxed: false })) === canonical(value);
  return isSame ? JSON.parse(relaxed) : serialize(value, { relaxed: false });
}
