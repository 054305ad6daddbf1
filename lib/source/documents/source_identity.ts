/** Recognises a deployment: by the id of its replica set if the user may read it, else by the UUIDs of its collections. */
import type { CausalReader } from "../connection/causal_reader.ts";
import { hasCode, isNotAllowed, MongodbCode } from "../connection/mongodb_errors.ts";
import { type FoundCollection } from "./scope.ts";
import { type Namespace, namespaceText } from "../../util/namespace.ts";
import { undefinedIf, UserError } from "../../util/errors.ts";

/** Saved collections. One matching UUID is enough. */
const MAX_COLLECTIONS = 20;
/** Collections that an error names. */
const NAMED = 3;
/** Not a collection: their names contain a dot. */
const DEPLOYMENT = "deployment";

type Identities = Readonly<Record<string, string>>;

/** The service does not support the command. */
const { CommandNotFound, NoReplicationEnabled, CommandNotSupported, UnsupportedByDocumentDB } = MongodbCode;
const UNSUPPORTED = [CommandNotFound, NoReplicationEnabled, CommandNotSupported, UnsupportedByDocumentDB];

/** The id of the replica set in hex digits; undefined if the user may not read it or the service has none. */
export async function deploymentOf(reader: CausalReader): Promise<string | undefined> {
  const found = await reader.read((client, options) =>
    client.db("admin").command({ replSetGetConfig: 1 }, options)
  ).catch(undefinedIf((error) => isNotAllowed(error) || hasCode(error, ...UNSUPPORTED)));
  return found?.config?.settings?.replicaSetId?.toString("hex");
}

/** The saved identity of a deployment. @example OUT: {"deployment":"6690…","shop.orders":"0a1b…"} */
export const identityOf = (collections: readonly FoundCollection[], deployment?: string): string =>
  JSON.stringify({
    ...deployment !== undefined && { [DEPLOYMENT]: deployment },
    ...Object.fromEntries(Object.entries(identitiesOf(collections)).slice(0, MAX_COLLECTIONS)),
  });

/**
 * How a deployment differs from the saved one; undefined if it is the same or nothing can be compared. By collections,
 * it is another one if all collections with saved names have other UUIDs.
 * @throws UserError if the saved identity was edited
 * @example IN: {"deployment":"6690…"}, [], "77a1…" → OUT: the replica set has the id 77a1…, not 6690…
 */
export function differenceOf(
  origin: string | null,
  collections: readonly FoundCollection[],
  deployment?: string,
): string | undefined {
  const { [DEPLOYMENT]: known, ...before } = parse(origin);
  const now = identitiesOf(collections);
  const common = Object.keys(before).filter((name) => Object.hasOwn(now, name));
  const same = common.filter((name) => before[name] === now[name]);
  if (known !== undefined && deployment !== undefined) {
    if (known === deployment) return undefined;
    const copied = same.length > 0 ? "; it has the same collections, so it is a copy or was restored" : "";
    return `the replica set has the id ${deployment}, not ${known}${copied}`;
  }
  if (common.length === 0 || same.length > 0) return undefined;
  const [names, more] = [common.slice(0, NAMED), common.length - NAMED];
  return `the collections have other UUIDs: ${names.join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

/** Removes a dropped collection: the next collection of that name has another UUID. */
export function withoutCollection(origin: string | null, dropped: Namespace): string {
  const { [namespaceText(dropped)]: _dropped, ...rest } = parse(origin);
  return JSON.stringify(rest);
}

function parse(origin: string | null): Identities {
  try {
    const saved: unknown = JSON.parse(origin ?? "{}");
    if (isIdentities(saved)) return saved;
  } catch { /* Refused below. */ }
  throw new UserError(`The origin of this stream cannot be read: it is ${origin?.slice(0, 200)}`, {
    hint:
      "The saved origin was edited. If MONGODB_URL is correct, set the column `origin` of this stream in " +
      "cdc_position to NULL: the next start writes it again, and continues from the saved position.",
  });
}

const isIdentities = (value: unknown): value is Identities =>
  value !== null && typeof value === "object" && !Array.isArray(value) &&
  Object.values(value).every((each) => typeof each === "string");

const identitiesOf = (collections: readonly FoundCollection[]): Identities =>
  Object.fromEntries(
    collections.flatMap((each) => each.uuid === undefined ? [] : [[namespaceText(each), each.uuid]]),
  );
