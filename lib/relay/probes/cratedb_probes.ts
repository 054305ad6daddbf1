/** What is asked of CrateDB, and of both databases. */
import { checkName } from "../../pipeline/collections/collection_opener.ts";
import { sharedTable } from "../../pipeline/collections/table_owners.ts";
import { type Answer, failed, ok, warning, wrong } from "../../pipeline/status/finding.ts";
import { TableSchema } from "../../sink/columns/table_schema.ts";
import { sinkDescription } from "../../sink/connection/open_transport.ts";
import { queryNumber, type Transport } from "../../sink/connection/transport.ts";
import { METADATA_TABLES } from "../../sink/metadata/metadata_tables.ts";
import { readPosition } from "../../sink/metadata/saved_position.ts";
import { readSettings } from "../../sink/metadata/saved_settings.ts";
import { quoteName, quoteTable, type TableName } from "../../sink/sql/names.ts";
import { missingColumns } from "../../sink/table/designed_columns.ts";
import { SMALL_BYTES } from "../../sink/table/shards.ts";
import { existingTable } from "../../sink/table/target_table.ts";
import { isUnusableTable } from "../../sink/table/unusable_table.ts";
import { serverClock } from "../../source/connection/cluster_time.ts";
import { isHistoryLost } from "../../source/connection/mongodb_errors.ts";
import { storageOf } from "../../source/documents/sample.ts";
import { savedToken, timeOf } from "../../source/stream/resume_token.ts";
import { concurrently } from "../../util/concurrency.ts";
import { QUIET } from "../../util/log.ts";
import { type Namespace, namespaceText } from "../../util/namespace.ts";
import { durationText } from "../../util/text.ts";
import { tryStream } from "./mongodb_probes.ts";
import { type BothSides, type Probe, rowsIfAllowed, type SinkSide, tableOf } from "./probe.ts";

const AT_ONCE = 8;

async function server({ transport, settings, clock }: SinkSide): Promise<Answer[]> {
  const { version, address } = await sinkDescription(transport, settings.sink);
  const asked = clock.monotonic();
  await transport.query("SELECT 1");
  const took = durationText(clock.monotonic() - asked);
  return [ok(`${transport.dialect.name} ${version} at ${address} answers in ${took}`)];
}

async function cluster({ transport }: SinkSide): Promise<Answer[]> {
  if (transport.dialect.isJsonb) return [];
  const read = async (sql: string) =>
    (await rowsIfAllowed(transport, sql) ?? []).map((row) => row.map(String));
  const [red, disks, [[nodes] = []]] = await Promise.all([
    read("SELECT table_schema, table_name FROM sys.health WHERE health = 'RED' LIMIT 10"),
    read(
      "SELECT DISTINCT description FROM sys.node_checks WHERE NOT passed AND description LIKE '%watermark%'",
    ),
    read("SELECT count(*) FROM sys.nodes"),
  ]);
  const why = "See why:\n  SELECT * FROM sys.allocations WHERE current_state <> 'STARTED';";
  const faults = [
    ...red.map(([schema = "", name = ""]) => warning(`${quoteTable({ schema, name })} lacks shards`, why)),
    ...disks.map(([text = ""]) =>
      warning(text, "Add disk space: CrateDB writes to no table on a full disk.")
    ),
  ];
  return faults.length > 0 || !nodes ? faults : [ok(`The cluster is healthy; nodes: ${nodes}`)];
}

/** What the relay reads to widen columns and after a lost answer, and what is asked here. */
const SYSTEM_TABLES = [
  "jobs",
  "snapshots",
  "privileges",
  "shards",
  "cluster",
  "nodes",
  "health",
  "node_checks",
];

async function systemTables({ transport }: SinkSide): Promise<Answer[]> {
  if (transport.dialect.isJsonb) return [];
  const hidden = await concurrently(SYSTEM_TABLES, AT_ONCE, async (name) => {
    return await rowsIfAllowed(transport, `SELECT 1 FROM sys.${name} LIMIT 1`) ? [] : [`sys.${name}`];
  });
  const names = hidden.flat().join(", ");
  if (names === "") return [];
  const hint = `Grant it:\n  GRANT DQL ON TABLE ${names} TO ${await userOf(transport)};`;
  return [warning(`The user may not read ${names}: columns may stay narrow, and findings are missing`, hint)];
}

const userOf = async (transport: Transport): Promise<string> =>
  quoteName(String((await transport.query("SELECT CURRENT_USER")).rows[0]?.[0]));

async function privileges(side: BothSides): Promise<Answer[]> {
  const { transport, names, collections } = side;
  if (transport.dialect.isJsonb) return [];
  const user = await userOf(transport);
  const sql = "SELECT type, ident FROM sys.privileges WHERE grantee = CURRENT_USER AND state = 'GRANT' " +
    "AND \"class\" IN ('CLUSTER', 'SCHEMA')";
  const granted = await rowsIfAllowed(transport, sql);
  const schemas = new Set([names.metadataSchema, ...collections.map((each) => tableOf(each, side).schema)]);
  const answers = await concurrently(schemas, AT_ONCE, async (schema) => {
    const has = "SELECT has_schema_privilege($1, 'CREATE'), has_schema_privilege($1, 'USAGE')";
    const { rows: [[ddl, dql] = []] } = await transport.query(has, [schema]);
    const own = (granted ?? []).flatMap(([type, ident]) => ident === null || ident === schema ? [type] : []);
    // Only these rows have DML. They lack what a role grants: then it is unknown.
    const isOwn = granted && user !== '"crate"' && ddl === own.includes("DDL") && dql === own.includes("DQL");
    const lacks = { DQL: !dql, DML: isOwn && !own.includes("DML"), DDL: !ddl };
    const missing = Object.entries(lacks).flatMap(([type, isMissing]) => isMissing ? [type] : []).join(", ");
    if (missing === "") return [];
    const on = `ON SCHEMA ${quoteName(schema)}`;
    return [wrong(`${user} lacks ${missing} ${on}`, `Grant it:\n  GRANT ${missing} ${on} TO ${user};`)];
  });
  return answers.flat().length > 0 ? answers.flat() : [ok(`${user} may create and write tables`)];
}

/** Whether a table exists, of those that the user sees. */
async function tablesOf(transport: Transport): Promise<(table: TableName) => boolean> {
  const { rows } = await transport.query("SELECT table_schema, table_name FROM information_schema.tables");
  const found = new Set(rows.map(([schema, name]) => `${schema}\0${name}`));
  return ({ schema, name }) => found.has(`${schema}\0${name}`);
}

async function tables(side: BothSides): Promise<Answer[]> {
  const { transport, collections, settings } = side;
  const exists = await tablesOf(transport);
  const owners = new Map<string, Namespace>();
  const answers = await concurrently(collections, AT_ONCE, async (namespace): Promise<Answer[]> => {
    const table = tableOf(namespace, side);
    const owner = owners.get(quoteTable(table));
    owners.set(quoteTable(table), namespace);
    try {
      if (owner) throw sharedTable(quoteTable(table), owner, namespace);
      checkName(table, namespace);
      const design = settings.for(namespace);
      const found = exists(table) ? await existingTable(transport, table, design) : undefined;
      if (!found) return [];
      missingColumns(table, found.definition, design);
      return await existing(table, namespace, side);
    } catch (error) {
      if (!isUnusableTable(error)) throw error;
      return [failed(error, namespaceText(namespace))];
    }
  });
  return answers.flat().length > 0 ? answers.flat() : [ok("The tables can be used, or created")];
}

/** What a table that can be used does not take. */
async function existing(table: TableName, namespace: Namespace, { transport }: SinkSide): Promise<Answer[]> {
  if (transport.dialect.isJsonb) return [];
  const name = quoteTable(table);
  const answers: Answer[] = [];
  const warn = (text: string, { column, type }: Readonly<Record<string, unknown>> = {}) =>
    answers.push(warning(`${name}: ${text}: ${column} ${type}`, "Drop the column, or name another table."));
  const schema = new TableSchema(transport, { table, inferred: false, log: { ...QUIET, warn } });
  await schema.load();
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

/** Existing and planned shards, with replicas (`0-1`); undefined for what the user may not read. */
export async function shardsOf(side: BothSides) {
  const { transport, settings, collections, causalReader, names: { metadataSchema: schema } } = side;
  const read = async (sql: string) =>
    (await rowsIfAllowed(transport, sql))?.map(([value]) => Number(value))[0];
  const [existing, nodes = 1, perNode, exists] = await Promise.all([
    read("SELECT count(*) FROM sys.shards"),
    read("SELECT count(*) FROM sys.nodes"),
    read("SELECT settings['cluster']['max_shards_per_node'] FROM sys.cluster"),
    tablesOf(transport),
  ]);
  const own = METADATA_TABLES.filter((name) => !exists({ schema, name })).length;
  const missing = collections.filter((each) => !exists(tableOf(each, side)));
  const each = await concurrently(missing, AT_ONCE, async (namespace) => {
    const { shards } = settings.for(namespace);
    if (shards !== undefined) return shards;
    const { bytes = Infinity } = await storageOf(namespace, causalReader) ?? {};
    // CrateDB's own number of shards.
    return bytes < SMALL_BYTES ? nodes : Math.max(4, 2 * nodes);
  });
  const planned = each.reduce((sum, shards) => sum + shards, own);
  return { existing, planned: planned * (nodes > 1 ? 2 : 1), nodes, limit: perNode && perNode * nodes };
}

async function shards(side: BothSides): Promise<Answer[]> {
  if (side.transport.dialect.isJsonb) return [];
  const { existing = 0, planned, nodes, limit } = await shardsOf(side);
  if (!limit) return [];
  const text = `${existing} shards exist and ${planned} are planned; the limit is ${limit}`;
  if (existing + planned <= limit) return [ok(text)];
  const hint = "Create tables with fewer shards (--shards 1), exclude collections, or raise the limit:\n" +
    `  SET GLOBAL PERSISTENT "cluster.max_shards_per_node" = ${Math.ceil((existing + planned) / nodes)};`;
  // As many tables as fit are created, and their collections followed.
  return [wrong(`CrateDB has no room for all tables: ${text}`, hint, `${side.settings.scope}`)];
}

/** The lag and the leases are reckoned by the clocks of the servers. */
const CLOCK_MS = 5_000;

async function clocks({ causalReader, transport, clock }: BothSides): Promise<Answer[]> {
  const mongodb = await serverClock(causalReader, clock);
  const asked = mongodb.now();
  const now = await queryNumber(transport, `SELECT ${transport.dialect.now}`);
  const difference = Math.abs(now - (asked + mongodb.now()) / 2);
  const text = `The clocks of both servers differ by ${durationText(difference)}`;
  return [difference < CLOCK_MS ? ok(text) : warning(text, "Run NTP on both machines, e.g. chronyd.")];
}

async function lease({ transport, names, settings }: SinkSide): Promise<Answer[]> {
  const { metadataSchema: schema, stream } = names;
  const held = await readPosition(transport, { schema, stream });
  if (!held?.isHeld) return [ok("No relay follows this stream now")];
  const until = new Date(held.leaseUntil ?? 0).toISOString();
  const text = `Another relay (${held.owner}) follows this stream: ${stream}, at least until ${until}`;
  const hint =
    "Stop it first; two relays on one stream would overwrite each other. With --standby this one waits.";
  return [settings.onHeld === "wait" ? ok(text) : warning(text, hint)];
}

async function position(side: BothSides): Promise<Answer[]> {
  const { transport, names: { metadataSchema: schema, stream }, settings } = side;
  const saved = await readPosition(transport, { schema, stream });
  if (!saved?.token) return [ok("No position is saved: a relay takes a snapshot")];
  const token = savedToken(saved.token);
  try {
    await tryStream(side, token);
    return [ok(`A relay resumes from ${timeOf(token)?.toISOString() ?? "the saved position"}`)];
  } catch (error) {
    if (!isHistoryLost(error) || settings.onHistoryLost === "fail") throw error;
    const text = "MongoDB no longer has the changes after the saved position: a relay takes a new snapshot";
    return [warning(text, "Enlarge the oplog, and stop the relay for a shorter time.")];
  }
}

async function settings({ transport, names, content, collections }: BothSides): Promise<Answer[]> {
  const { metadataSchema: schema, stream } = names;
  const unmatched = content?.unmatched(collections).map((name) =>
    warning(
      `Settings below collections are for no collection yet: ${name}`,
      "Correct the name, if it is mistyped.",
    )
  ) ?? [];
  const saved = content && await readSettings(transport, { schema, stream });
  if (!content || saved === undefined) return unmatched;
  if (saved === content.text) return [...unmatched, ok("The settings are those of the last run")];
  const outdated = collections.filter(content.isOutdated(saved)).map(namespaceText).join(", ");
  const text = "The settings have changed since the last run";
  return [
    ...unmatched,
    outdated === "" ? ok(`${text}; no snapshot is needed`) : warning(
      `${text}: a relay takes a snapshot of ${outdated}`,
      "See what has changed, with config diff.",
    ),
  ];
}

export const CRATEDB_PROBES: readonly Probe<SinkSide>[] = [
  { name: "CrateDB", ask: server },
  { name: "cluster", ask: cluster, isOfStart: true },
  { name: "system tables", ask: systemTables, isOfStart: true },
  { name: "lease", ask: lease },
];

export const PROBES_OF_BOTH: readonly Probe<BothSides>[] = [
  { name: "CrateDB privileges", ask: privileges },
  { name: "tables", ask: tables },
  { name: "shards", ask: shards, isOfStart: true },
  { name: "clocks", ask: clocks },
  { name: "position", ask: position },
  { name: "settings", ask: settings },
];
