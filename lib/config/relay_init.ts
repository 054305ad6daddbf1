/** Writes a `relay.yaml` with what flags and variables give. */
import { BSON } from "../bson/library.ts";
import { stringify } from "yaml";
import { maskUrl } from "../util/mask_url.ts";
import { isName } from "./collection_rules.ts";
import { type Option, type OptionTable, variablesOf } from "./option.ts";
import { PROCESS } from "./options.ts";
import { isList, parse } from "./parsers.ts";
import { find, type Given } from "./read.ts";
import { OF_STREAM, serverOption, SERVERS } from "./relay_schema.ts";

const HEAD = `# yaml-language-server: $schema=./relay.schema.json
# The schema is what \`config schema\` prints. docs/configuration.md describes this file.
`;

/**
 * Returns the text of a file with which a relay has the same settings. A password becomes the name of a variable.
 *
 * @example
 * IN: {flags: {database: "shop", lease: "20s"}, env: {MONGODB_URL: "mongodb://db/"}}
 * OUT: version: 1\nmongodb:\n  url:\n    env: MONGODB_URL\nstreams:\n  shop:\n    database: shop\n    lease: 20s\n
 */
export function relayFileText(given: Given): string {
  const servers = Object.entries(SERVERS).map(([server, table]) =>
    [server, part(table, given, (key) => serverOption(server, key))] as const
  );
  const stream = part(OF_STREAM, given);
  const { database } = stream;
  const isEmpty = ([, options]: typeof servers[number]) => Object.keys(options).length === 0;
  const hints = servers.filter(isEmpty).map(([server]) =>
    `# ${server}: { url: { env: ${server.toUpperCase()}_URL } }\n`
  );
  const file = {
    version: 1,
    ...Object.fromEntries(servers.filter((each) => !isEmpty(each))),
    ...part(PROCESS, given),
    streams: { [typeof database === "string" && isName(database) ? database : "main"]: stream },
  };
  return `${HEAD}${hints.join("")}${stringify(file)}`;
}

const part = (
  table: OptionTable,
  given: Given,
  nameOf = (key: string): string => key,
): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    Object.entries(table).flatMap(([key, option]) => {
      const found = find(nameOf(key), option, given);
      return found ? [[key, valueOf(nameOf(key), option, found)]] : [];
    }),
  );

function valueOf(
  name: string,
  option: Option,
  { source, value, file }: NonNullable<ReturnType<typeof find>>,
) {
  if (file !== undefined) return { file };
  if (option.secret) {
    const variables = variablesOf(name, option);
    const isPublic = option.type !== "token" && maskUrl(`${value}`) === value;
    if (variables.includes(source)) return { env: source };
    return isPublic ? value : { env: variables[0] };
  }
  const parsed = parse(option, value);
  if (option.type === "count") return parsed;
  if (option.type === "filter" || option.type === "pipeline") return plain(parsed);
  return isList(option) && Array.isArray(parsed) ? parsed.length === 1 ? parsed[0] : parsed : value;
}

/** Extended JSON, without the types of values that have them anyway. */
function plain(value: unknown): unknown {
  const { stringify, parse, serialize } = BSON.EJSON;
  const canonical = (each: unknown) => stringify(each, { relaxed: false });
  const relaxed = stringify(value, { relaxed: true });
  const isSame = canonical(parse(relaxed, { relaxed: false })) === canonical(value);
  return isSame ? JSON.parse(relaxed) : serialize(value, { relaxed: false });
}
