/** What is asked of CrateDB, and of both databases. */
import { checkName, checkParts } from "../../pipeline/collections/collection_opener.ts";
import { sharedTable } from "../../pipeline/collections/table_owners.ts";
import { type Answer, failed, ok, warning, wrong } from "../../pipeline/status/finding.ts";
import { checkMode } from "../../sink/columns/column_policy.ts";
import { TableSchema } from "../../sink/columns/table_schema.ts";
import { sinkDescription } from "../../sink/connection/open_transport.ts";
import { queryNumber, type Transport } from "../../sink/connection/transport.ts";
import { METADATA_TABLES } from "../../sink/metadata/metadata_tables.ts";
import { readPosition, type SavedPosition } from "../../sink/metadata/saved_position.ts";
import { readSettings } from "../../sink/metadata/saved_settings.ts";
import { quoteName, quoteTable, type TableName } from "../../sink/sql/names.ts";
import { isSmall } from "../../sink/table/create_table.ts";
import { checkDesign } from "../../sink/table/designed_columns.ts";
import { usableTable } from "../../sink/table/target_table.ts";
import { isUnusableTable } from "../../sink/table/unusable_table.ts";
import { isHistoryLost } from "../../source/connection/mongodb_errors.ts";
import { shardKeyOf } from "../../source/documents/collections.ts";
import { savedToken, timeOf } from "../../source/stream/resume_token.ts";
import { concurrently } from "../../util/concurrency.ts";
import { QUIET } from "../../util/log.ts";
import { type Namespace, namespaceText } from "../../util/namespace.ts";
import { durationText } from "../../util/text.ts";
import { tryStream } from "./mongodb_probes.ts";
import { type BothSides, type Probe, rowsIfAllowed, type SinkSide, tableOf } from "./probe.ts";

const AT_ONCE = 8;

async function server({ transport, settings, clock }: SinkSide): Promise<Answer[]> {
  const asked = clock.monotonic();
  const { version, address } = await sinkDescription(transport, settings.sink);
  const took = durationText(clock.monotonic() - asked);
  return [ok(`${transport.dialect.name} ${version} at ${address} answers in ${took}`)];
}

/** What the relay reads to widen columns and after a lost answer, and what is asked here. */
const SYSTEM_TABLES = "jobs snapshots privileges shards cluster nodes health node_checks".split(" ")
  .map((name) => `sys.${name}`);
const HEALTH = `SELECT 'node' AS kind, name FROM sys.nodes
  UNION ALL SELECT 'table', '"' || table_schema || '"."' || table_name || '"' FROM sys.health WHERE health = 'RED'
  UNION ALL SELECT 'disk', description FROM sys.node_checks WHERE NOT passed AND description LIKE '%watermark%'
  ${SYSTEM_TABLES.map((table) => `UNION ALL SELECT '', '' FROM ${table} WHERE FALSE`).join(" ")}`;
const MOST_TABLES = 10;

async function cluster({ transport }: SinkSide): Promise<Answer[]> {
  if (transport.dialect.isJsonb) return [];
  const rows = await rowsIfAllowed(transport, HEALTH);
  if (!rows) {
    const { rows: [[user] = []] } = await transport.query("SELECT CURRENT_USER");
    const text = "The user may not read all system tables: columns may stay narrow, and findings are missing";
    const grant = `GRANT DQL ON TABLE ${SYSTEM_TABLES.join(", ")} TO ${quoteName(String(user))};`;
    return [warning(text, `Grant it:\n  ${grant}`)];
  }
  const { node = [], table = [], disk = [] } = Object.groupBy(rows, ([kind]) => String(kind));
  const why = "See why:\n  SELECT * FROM sys.allocations WHERE current_state <> 'STARTED';";
  const room = "Add disk space: CrateDB writes to no table on a full disk.";
  const faults = [
    ...table.slice(0, MOST_TABLES).map(([, name]) => warning(`${name} lacks shards`, why)),
    ...[...new Set(disk.map(([, text]) => String(text)))].map((text) => warning(text, room)),
  ];
  return faults.length > 0 ? faults : [ok(`The cluster is healthy; nodes: ${node.length}`)];
}

async function privileges(side: BothSides): Promise<Answer[]> {
  const { transport, names, collections } = side;
  if (transport.dialect.isJsonb) return [];
  const schemas = new Set([names.metadataSchema, ...collections.map((each) => tableOf(each, side).schema)]);
  const { rows } = await transport.query(
    "SELECT CURRENT_USER, s, has_schema_privilege(s, 'CREATE'), has_schema_privilege(s, 'USAGE') " +
      "FROM unnest($1::array(text)) AS t(s)",
    [[...schemas]],
  );
  const sql = "SELECT type, ident FROM sys.privileges WHERE grantee = CURRENT_USER AND state = 'GRANT' " +
    "AND \"class\" IN ('CLUSTER', 'SCHEMA')";
  const granted = await rowsIfAllowed(transport, sql);
  /** Schemas to which the user may not be allowed to write. */
  const unknown: string[] = [];
  const answers = rows.flatMap(([user, schema, ddl, dql]) => {
    const own = granted?.flatMap(([type, ident]) => ident === null || ident === schema ? [type] : []);
    // Only these rows have DML. They lack what a role grants: then it is unknown.
    const isOwn = own && ddl === own.includes("DDL") && dql === own.includes("DQL");
    const isKnown = isOwn || user === "crate";
    const lacks = { DQL: !dql, DML: isOwn && user !== "crate" && !own.includes("DML"), DDL: !ddl };
    if (!isKnown && dql && ddl) unknown.push(String(schema));
    const missing = Object.entries(lacks).flatMap(([type, isMissing]) => isMissing ? [type] : []).join(", ");
    if (missing === "") return [];
    const [to, on] = [quoteName(String(user)), `ON SCHEMA ${quoteName(String(schema))}`];
    return [wrong(`${to} lacks ${missing} ${on}`, `Grant it:\n  GRANT ${missing} ${on} TO ${to};`)];
  });
  if (answers.length > 0) return answers;
  const user = `${rows[0]?.[0]}`;
  return [
    ok(
      unknown.length === 0
        ? `The user may create and write tables: ${user}`
        : `The user may create tables: ${user}; CrateDB does not show whether it has DML on ${
          unknown.join(", ")
        }`,
    ),
  ];
}

/** Whether a table exists, of those that the user sees. */
async function tablesOf(transport: Transport): Promise<(table: TableName) => boolean> {
  // A query of information_schema would analyse all views.
  const { rows } = await transport.query("SELECT schemaname, tablename FROM pg_catalog.pg_tables");
  const found = new Set(rows.map(([schema, name]) => `${schema}\0${name}`));
  return ({ schema, name }) => found.has(`${schema}\0${name}`);
}

async function tables(side: BothSides): Promise<Answer[]> {
  const { transport, collections } = side;
  const exists = await tablesOf(transport);
  const owners = new Map<string, Namespace>();
  const answers = await concurrently(collections, AT_ONCE, async (namespace): Promise<Answer[]> => {
    const table = tableOf(namespace, side);
    const owner = owners.get(quoteTable(table));
    owners.set(quoteTable(table), namespace);
    try {
      if (owner) throw sharedTable(quoteTable(table), owner, namespace);
      checkName(table, namespace);
      if (exists(table)) return await existing(table, namespace, side);
      await checkDesign(side.transport, table, side.settings.for(namespace));
      return [];
    } catch (error) {
      if (!isUnusableTable(error)) throw error;
      return [failed(error, namespaceText(namespace))];
    }
  });
  return answers.flat().length > 0 ? answers.flat() : [ok("The tables can be used, or created")];
}

/** What a table does not take. @throws UnusableTableError */
async function existing(
  table: TableName,
  namespace: Namespace,
  { transport, settings, causalReader }: BothSides,
): Promise<Answer[]> {
  const design = settings.for(namespace);
  const found = await usableTable(transport, table, design);
  if (found && design.partitionBy) {
    const shardKey = design.key === "documentKey" ? await shardKeyOf(causalReader, namespace) : [];
    await checkParts(transport, found, { partitioning: design.partitionBy, shardKey });
  }
  if (transport.dialect.isJsonb) return [];
  const name = quoteTable(table);
  const answers: Answer[] = [];
  const warn = (text: string, { column, type }: Readonly<Record<string, unknown>> = {}) =>
    answers.push(warning(`${name}: ${text}: ${column} ${type}`, "Drop the column, or name another table."));
  const schema = new TableSchema(transport, { table, inferred: false, log: { ...QUIET, warn } });
  await schema.load();
  checkMode(schema, table, design.columns);
  for (const [, block] of schema.definition.matchAll(/("blocks\.\w+") = true/g)) {
    const hint = `Open it:\n  ALTER TABLE ${name} RESET (${block});`;
    answers.push(wrong(`${name} is closed by ${block}`, hint, namespaceText(namespace)));
  }
  const { limit, room } = schema.budget;
  if (room < limit / 10) {
    const hint = `Raise it:\n  ALTER TABLE ${name} SET ("mapping.total_fields.limit" = ${2 * limit});`;
    answers.push(warning(`${name} has ${limit - room} columns, near the limit of ${limit}`, hint));
  }
  return answers;
}

/** Existing and planned shards, with replicas (`0-1`), and the most of them; undefined if the user may not read it. */
export async function shardsOf(side: BothSides) {
  const { transport, settings, collections, sizes, names: { metadataSchema: schema } } = side;
  const [rows, exists] = await Promise.all([
    rowsIfAllowed(
      transport,
      "SELECT (SELECT count(*) FROM sys.shards), (SELECT count(*) FROM sys.nodes), " +
        "settings['cluster']['max_shards_per_node'] FROM sys.cluster",
    ),
    tablesOf(transport),
  ]);
  if (!rows) return undefined;
  const [existing = 0, nodes = 1, perNode = 0] = rows[0]?.map(Number) ?? [];
  const own = METADATA_TABLES.filter((name) => !exists({ schema, name })).length;
  const missing = collections.filter((each) => !exists(tableOf(each, side)));
  const each = await concurrently(missing, AT_ONCE, async (namespace) => {
    const { shards } = settings.for(namespace);
    if (shards !== undefined) return shards;
    // CrateDB's own number for a large table.
    return isSmall(await sizes.ahead(namespace)) ? nodes : Math.max(4, 2 * nodes);
  });
  const planned = each.reduce((sum, shards) => sum + shards, own);
  return { existing, planned: planned * (nodes > 1 ? 2 : 1), nodes, limit: perNode * nodes };
}

async function shards(side: BothSides): Promise<Answer[]> {
  const found = side.transport.dialect.isJsonb ? undefined : await shardsOf(side);
  if (!found) return [];
  const { existing, planned, nodes, limit } = found;
  const text = `${existing} shards exist and ${planned} are planned; the limit is ${limit}`;
  if (existing + planned <= limit) return [ok(text)];
  const hint = "Create tables with fewer shards (--shards 1), exclude collections, or raise the limit:\n" +
    `  SET GLOBAL PERSISTENT "cluster.max_shards_per_node" = ${Math.ceil((existing + planned) / nodes)};`;
  // As many tables as fit are created, and their collections followed.
  return [wrong(`CrateDB has no room for all tables: ${text}`, hint, `${side.settings.scope}`)];
}

/** The lag and the leases are reckoned by the clocks of the servers. */
const CLOCK_MS = 5_000;

async function clocks({ mongodbClock, transport }: BothSides): Promise<Answer[]> {
  const asked = mongodbClock.now();
  const now = await queryNumber(transport, `SELECT ${transport.dialect.now}`);
  // The answer may have taken long on either way.
  const difference = Math.max(asked - now, now - mongodbClock.now(), 0);
  if (difference === 0) return [ok("The clocks of both servers agree")];
  const text = `The clocks of both servers differ by ${durationText(difference)}`;
  return [difference < CLOCK_MS ? ok(text) : warning(text, "Run NTP on both machines, e.g. chronyd.")];
}

async function position(side: BothSides): Promise<Answer[]> {
  const { metadataSchema: schema, stream } = side.names;
  const saved = await readPosition(side.transport, { schema, stream });
  return [leaseOf(saved, side), await historyOf(saved, side).catch((error) => failed(error))];
}

function leaseOf(saved: SavedPosition | undefined, { settings, names: { stream } }: SinkSide): Answer {
  if (!saved?.isHeld) return ok("No relay follows this stream now");
  const until = new Date(saved.leaseUntil ?? 0).toISOString();
  const text = `Another relay (${saved.owner}) follows this stream: ${stream}, at least until ${until}`;
  const hint =
    "Stop it first; two relays on one stream would overwrite each other. With --standby this one waits.";
  return settings.onHeld === "wait" ? ok(text) : warning(text, hint);
}

async function historyOf(saved: SavedPosition | undefined, side: BothSides): Promise<Answer> {
  if (!saved?.token) return ok("No position is saved: a relay takes a snapshot");
  const token = savedToken(saved.token);
  try {
    await tryStream(side, token);
    return ok(`A relay resumes from ${timeOf(token)?.toISOString() ?? "the saved position"}`);
  } catch (error) {
    if (!isHistoryLost(error) || side.settings.onHistoryLost === "fail") throw error;
    const text = "MongoDB no longer has the changes after the saved position: a relay takes a new snapshot";
    return warning(text, "Enlarge the oplog, and stop the relay for a shorter time.");
  }
}

async function settings({ transport, names, content, collections }: BothSides): Promise<Answer[]> {
  if (!content) return [];
  const mistyped = "Correct the name, if it is mistyped.";
  const unmatched = content.unmatched(collections).map((name) =>
    warning(`No collection matches these settings yet: ${name}`, mistyped)
  );
  const saved = await readSettings(transport, { schema: names.metadataSchema, stream: names.stream });
  if (saved === undefined) return unmatched;
  if (saved === content.text) return [...unmatched, ok("The settings are those of the last run")];
  const outdated = collections.filter(content.isOutdated(saved)).map(namespaceText).join(", ");
  const text = "The settings have changed since the last run";
  const answer = outdated === ""
    ? ok(`${text}; no snapshot is needed`)
    : warning(`${text}: a relay takes a snapshot of ${outdated}`, "See what has changed, with config diff.");
  return [...unmatched, answer];
}

export const CRATEDB_PROBES: readonly Probe<SinkSide>[] = [
  { name: "CrateDB", ask: server },
  { name: "cluster", ask: cluster, isOfStart: true },
];

export const PROBES_OF_BOTH: readonly Probe<BothSides>[] = [
  { name: "clocks", ask: clocks },
  { name: "CrateDB privileges", ask: privileges },
  { name: "tables", ask: tables },
  { name: "shards", ask: shards, isOfStart: true },
  { name: "position", ask: position },
  { name: "settings", ask: settings },
];
