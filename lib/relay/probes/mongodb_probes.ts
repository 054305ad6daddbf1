/** What is asked of MongoDB. */
import { connect } from "node:net";
import type { Document } from "mongodb";
import { checkTransforms } from "../../pipeline/loop/startup.ts";
import { type Answer, failed, ok, warning, wrong } from "../../pipeline/status/finding.ts";
import { killCursor, listCollections } from "../../source/connection/causal_reader.ts";
import { serverDescription } from "../../source/connection/deployment.ts";
import { shardKeyOf } from "../../source/documents/collections.ts";
import { DocumentReader } from "../../source/documents/documents.ts";
import { catalogueOf, unmatchedNames, unmatchedText } from "../../source/documents/unmatched.ts";
import { oldestEntry, OplogHiddenError } from "../../source/stream/oplog.ts";
import { featureTrial, openStream, runStreamCommand, targetOf } from "../../source/stream/open_stream.ts";
import { concurrently } from "../../util/concurrency.ts";
import { namespaceText } from "../../util/namespace.ts";
import { durationText } from "../../util/text.ts";
import type { Probe, SourceSide } from "./probe.ts";

const AT_ONCE = 8;
const CONNECT_MS = 2_000;
const HOUR_MS = 3_600_000;

const run = ({ causalReader }: SourceSide, command: Document, database = "admin"): Promise<Document> =>
  causalReader.read((client, options) => client.db(database).command(command, options));

async function server(side: SourceSide): Promise<Answer[]> {
  const { causalReader, settings, clock } = side;
  const { address, version, replica_set, sharded } = await serverDescription(
    causalReader,
    settings.mongodbUrl,
  );
  const asked = clock.monotonic();
  await run(side, { ping: 1 });
  const took = durationText(clock.monotonic() - asked);
  const kind = sharded ? "sharded cluster" : replica_set ? `replica set ${replica_set}` : "standalone server";
  return [ok(`MongoDB ${version} at ${address}, ${kind}, answers in ${took}`)];
}

/** The driver connects to the names that the servers announce, whatever names the URL has. */
async function members(side: SourceSide): Promise<Answer[]> {
  const { directConnection, proxyHost } = side.route.client.options;
  if (directConnection || proxyHost) return [];
  const { hosts = [], passives = [] } = await run(side, { hello: 1 });
  return await Promise.all([...hosts, ...passives].map(async (name) => {
    const why = await whyClosed(name);
    return why === undefined ? ok(`${name} can be reached`) : warning(
      `The replica set announces ${name}, which cannot be reached from here: ${why}`,
      "Give the member a name that clients can resolve, with rs.reconfig(), or add the name to /etc/hosts.",
    );
  }));
}

const whyClosed = (name: string): Promise<string | undefined> =>
  new Promise((resolve) => {
    const { hostname, port } = new URL(`tcp://${name}`);
    const address = { host: hostname.replace(/^\[|\]$/g, ""), port: Number(port), timeout: CONNECT_MS };
    const socket = connect(address);
    const close = (why?: string) => resolve((socket.destroy(), why));
    socket.once("connect", () => close()).once("error", ({ message }) => close(message));
    socket.once("timeout", () => close(`no answer for ${durationText(CONNECT_MS)}`));
  });

/** Opens the change stream after a token, or now, and closes it. Resolves to the features that MongoDB refuses. */
export async function tryStream(
  { causalReader, settings: { scope } }: SourceSide,
  startAfter: Uint8Array | null,
): Promise<readonly string[]> {
  let refused: readonly string[] = [];
  const features = featureTrial((names) => refused = names);
  await causalReader.read(async (client, { session, signal }) => {
    const database = client.db(targetOf(scope).database);
    const command = (document: Document) => runStreamCommand(database, document, { session, signal });
    const options = { scope, features, fullDocument: "lookup", database, command } as const;
    const { cursorId, collection } = await openStream(startAfter, options);
    await killCursor(database, collection, cursorId);
  });
  return refused;
}

async function changeStream(side: SourceSide): Promise<Answer[]> {
  const refused = (await tryStream(side, null)).map((feature) => `, without ${feature}`);
  return [ok(`The change stream of ${side.settings.scope} opens${refused.join("")}`)];
}

async function collections({ settings: { scope }, ...side }: SourceSide): Promise<Answer[]> {
  const unmatched = await unmatchedNames(scope, side.collections, catalogueOf(side.causalReader));
  return [
    ok(`Collections of ${scope}: ${side.collections.length}`),
    ...side.skipped.map((each) => warning(`Not followed: ${each}`, "Exclude it, with --exclude.")),
    ...unmatched.map((each) =>
      warning(unmatchedText(each), each.similar ? `Did you mean ${each.similar}?` : "A relay waits for it.")
    ),
  ];
}

/** Tries the transform, and reads a document of each collection. */
async function documents({ settings, collections, causalReader }: SourceSide): Promise<Answer[]> {
  const reader = new DocumentReader(causalReader, { for: settings.for, size: 1 });
  await checkTransforms(collections, { reader, settings });
  const faults = await concurrently(collections, AT_ONCE, async (each) => {
    try {
      if (settings.for(each).key === "documentKey") await shardKeyOf(causalReader, each);
      const one = { find: each.collection, limit: 1, projection: { _id: 1 } };
      await causalReader.page(each, one, { hint: null });
      return [];
    } catch (error) {
      return [failed(error, namespaceText(each))];
    }
  });
  return faults.some(([fault]) => fault) ? faults.flat() : [ok("The documents can be read")];
}

/** What is unknown without an action; a relay needs the others. */
const UNKNOWN: Readonly<Record<string, string>> = {
  listCollections: "whether a collection was created again",
  local: "how far the oplog reaches back",
};

async function privileges(side: SourceSide): Promise<Answer[]> {
  const { authInfo } = await run(side, { connectionStatus: 1, showPrivileges: true });
  const [user] = authInfo.authenticatedUsers;
  if (!user) return [ok("MongoDB asks for no login")];
  const held: readonly Document[] = authInfo.authenticatedUserPrivileges ?? [];
  // An empty name stands for all, but a privilege on all databases is none on `local`.
  const mayDo = (action: string, db: string, collection: string) =>
    held.some(({ resource, actions }) =>
      actions.includes(action) && (resource.anyResource || ["", collection].includes(resource.collection) &&
          (resource.db === db || resource.db === "" && db !== "local"))
    );
  const { database = "", collection = "" } = side.settings.scope.only;
  const needed: readonly (readonly [action: string, db: string, collection: string])[] = [
    ["find", database, collection],
    ["changeStream", database, collection],
    ["listCollections", database, ""],
    ["find", "local", "oplog.rs"],
  ];
  const answers = needed.filter((each) => !mayDo(...each)).map(([action, db, collection]) => {
    const role = db === "" ? { role: "readAnyDatabase", db: "admin" } : { role: "read", db };
    const on = [db || "all databases", collection].filter(Boolean).join(".");
    const text = `${user.user} lacks ${action} on ${on}`;
    const given = `${JSON.stringify(user.user)}, [${JSON.stringify(role)}]`;
    const hint = `Grant it:\n  db.getSiblingDB("${user.db}").grantRolesToUser(${given})`;
    const unknown = UNKNOWN[action] ?? UNKNOWN[db];
    return unknown ? warning(`${text}, so it is unknown ${unknown}`, hint) : wrong(text, hint);
  });
  return answers.length > 0 ? answers : [ok(`${user.user} has all privileges`)];
}

async function oplog(side: SourceSide): Promise<Answer[]> {
  const oldest = await oldestEntry(side.route).catch((error) => {
    if (!(error instanceof OplogHiddenError)) throw error;
  });
  if (!oldest) return [];
  const stats = await run(side, { collStats: "oplog.rs", scale: 2 ** 20 }, "local").catch(() => undefined);
  const hours = Math.max(1, side.mongodbClock.now() - oldest.time) / HOUR_MS;
  const growth = stats ? `, and grows by ${(stats.size / hours).toFixed(1)} MiB per hour` : "";
  const text = `The oplog reaches back ${durationText(hours * HOUR_MS)}${growth}`;
  if (oldest.isFirst) return [ok(`${text}; it has dropped nothing yet`)];
  if (hours >= 24) return [ok(text)];
  const size = Math.max(990, Math.ceil((stats?.maxSize ?? 0) * 24 / hours));
  const hint = `For a day:\n  db.adminCommand({ replSetResizeOplog: 1, size: ${size} })`;
  return [warning(`${text}: a relay that stands still for longer takes a new snapshot`, hint)];
}

async function postImages({ settings, collections, causalReader }: SourceSide): Promise<Answer[]> {
  const asking = collections.filter((each) => settings.for(each).fullDocument === "required");
  const answers = await concurrently(asking, AT_ONCE, async (each) => {
    const { database, collection: name } = each;
    const [found] = await listCollections(causalReader, database, { name, nameOnly: false });
    if (!found || found.options?.changeStreamPreAndPostImages?.enabled) return [];
    const change = `{ collMod: "${name}", changeStreamPreAndPostImages: { enabled: true } }`;
    const hint = `Enable them:\n  db.getSiblingDB("${database}").runCommand(${change})`;
    const text = `${namespaceText(each)} keeps no post-images, and --full-document required asks for them`;
    return [wrong(text, hint, namespaceText(each))];
  });
  return answers.flat();
}

export const MONGODB_PROBES: readonly Probe<SourceSide>[] = [
  { name: "MongoDB", ask: server },
  { name: "members", ask: members },
  { name: "change stream", ask: changeStream },
  { name: "MongoDB privileges", ask: privileges },
  { name: "collections", ask: collections },
  { name: "documents", ask: documents },
  { name: "oplog", ask: oplog, isOfStart: true },
  { name: "post-images", ask: postImages, isOfStart: true },
];
