import assert from "node:assert/strict";
import { relayConfig } from "../../../../lib/config/relay_settings.ts";
import { CRATEDB_PROBES, PROBES_OF_BOTH } from "../../../../lib/relay/probes/cratedb_probes.ts";
import { askAll, type BothSides } from "../../../../lib/relay/probes/probe.ts";
import { SinkError } from "../../../../lib/sink/connection/sink_error.ts";
import { METADATA_TABLES } from "../../../../lib/sink/metadata/metadata_tables.ts";
import { CRATEDB } from "../../../../lib/sink/sql/dialect.ts";
import { openTable } from "../../../../lib/sink/table/target_table.ts";
import type { Namespace } from "../../../../lib/util/namespace.ts";
import { fakeClock } from "../../../support/fake_clock.ts";

type Rows = readonly (readonly unknown[])[];

/** The answers of CrateDB: the first that a statement matches; "hidden" for a table that the user may not read. */
type Answers = readonly (readonly [statement: RegExp, rows: Rows | "hidden"])[];

const NO_PRIVILEGE = new SinkError("Missing 'DQL' privilege", { code: "4011" });

interface Given {
  readonly flags?: Readonly<Record<string, string>>;
  readonly types?: Readonly<Record<string, string>>;
  readonly collections?: readonly string[];
  /** Of each collection, in bytes. */
  readonly size?: number;
}

function sideOf(
  answers: Answers,
  { flags = {}, types = {}, collections = ["orders", "users"], size = 6e9 }: Given,
): BothSides {
  const settings = relayConfig({ flags: { database: "shop", ...flags }, env: {}, options: { types } });
  const query = (sql: string) => {
    assert.match(sql, /^(?:SELECT|SHOW|REFRESH)/, "a probe changes nothing");
    const rows = answers.find(([statement]) => statement.test(sql))?.[1] ?? [];
    return rows === "hidden" ? Promise.reject(NO_PRIVILEGE) : Promise.resolve({ count: rows.length, rows });
  };
  const found = collections.map((collection) => ({ database: "shop", collection }));
  const names = settings.namesIn("doc");
  const transport = { dialect: CRATEDB, query };
  const sizes = { ahead: () => Promise.resolve(size) };
  const side = { settings, clock: fakeClock(), collections: found, names, transport, sizes };
  return side as unknown as BothSides;
}

const ask = (name: string, answers: Answers, given: Given = {}) =>
  askAll(
    [...CRATEDB_PROBES, ...PROBES_OF_BOTH].filter((each) => each.name === name),
    sideOf(answers, given),
  );

const ANN: Answers[number] = [/CURRENT_USER$/, [["ann"]]];
const has = (ddl: boolean, dql: boolean, user = "ann"): Answers[number] => [
  /has_schema_privilege/,
  ["doc", "shop"].map((schema) => [user, schema, ddl, dql]),
];
const granted = (...types: readonly string[]): Answers[number] => [
  /sys\.privileges/,
  types.flatMap((type) => [[type, "doc"], [type, "shop"]]),
];

const MISSING: Readonly<Record<string, readonly [Answers, missing: string]>> = {
  DQL: [[has(true, false), granted("DML", "DDL")], "DQL"],
  DML: [[has(true, true), granted("DQL", "DDL")], "DML"],
  DDL: [[has(false, true), granted("DQL", "DML")], "DDL"],
  "everything": [[has(false, false), granted()], "DQL, DML, DDL"],
};

for (const [what, [answers, missing]] of Object.entries(MISSING)) {
  Deno.test(`the probe of privileges names a schema without ${what}, and grants it`, async () => {
    const findings = await ask("CrateDB privileges", answers);
    assert.deepEqual(
      findings.map(({ level, text, hint }) => [level, text, hint]),
      ["doc", "shop"].map((schema) => [
        "wrong",
        `"ann" lacks ${missing} ON SCHEMA "${schema}"`,
        `Grant it:\n  GRANT ${missing} ON SCHEMA "${schema}" TO "ann";`,
      ]),
    );
  });
}

Deno.test("the probe of privileges claims nothing about DML that a role may grant", async () => {
  const unknown: readonly Answers[] = [
    [has(true, true), granted()],
    [has(true, true), [/sys\.privileges/, "hidden"]],
    [has(true, true, "crate"), granted("DDL", "DQL")],
  ];
  for (const answers of unknown) {
    assert.deepEqual((await ask("CrateDB privileges", answers)).map(({ level }) => level), ["ok"]);
  }
});

Deno.test("the probe of the cluster names red tables and full disks, or grants what it may not read", async () => {
  const health = [["node", "n1"], ["table", '"shop"."t"'], ["disk", "over the low watermark"]];
  const ill = await ask("cluster", [[/FROM sys\.health/, health]]);
  assert.deepEqual(ill.map(({ level, text }) => [level, text]), [
    ["warning", '"shop"."t" lacks shards'],
    ["warning", "over the low watermark"],
  ]);
  const [well] = await ask("cluster", [[/FROM sys\.health/, health.slice(0, 1)]]);
  assert.equal(well?.text, "The cluster is healthy; nodes: 1");
  const [hidden] = await ask("cluster", [[/FROM sys\.jobs/, "hidden"], ANN]);
  assert.equal(hidden?.level, "warning");
  assert.match(hidden?.hint ?? "", /^Grant it:\n {2}GRANT DQL ON TABLE sys\.jobs, .* TO "ann";$/);
});

const shards = (existing: number, limit: number): Answers => [
  [/FROM sys\.cluster/, [[existing, 1, limit]]],
  [/^SELECT schemaname/, [["shop", "orders"], ["doc", "cdc_position"]]],
];

Deno.test("the probe of shards counts existing and planned ones", async () => {
  // The other tables of the relay, and shop.users with CrateDB's own number of shards.
  const planned = METADATA_TABLES.length - 1 + 4;
  const most = 100 - planned;
  const [fits] = await ask("shards", shards(most, 100));
  assert.equal(fits?.text, `${most} shards exist and ${planned} are planned; the limit is 100`);
  const [full] = await ask("shards", shards(most + 1, 100));
  assert.deepEqual([full?.level, full?.collection], ["wrong", "shop.*"]);
  assert.match(full?.hint ?? "", /SET GLOBAL PERSISTENT "cluster\.max_shards_per_node" = 101;/);
  const [fewer] = await ask("shards", shards(most + 1, 100), { flags: { shards: "1" } });
  assert.equal(fewer?.level, "ok");
  // A small table has one shard for each node.
  const [small] = await ask("shards", shards(most, 100), { size: 4e9 });
  assert.match(small?.text ?? "", new RegExp(` ${planned - 3} are planned`));
  assert.deepEqual(await ask("shards", [[/sys\.cluster/, "hidden"], ...shards(most, 100)]), []);
});

Deno.test("the probe of tables names collections that would share a table, and those of the relay", async () => {
  const collide = await ask("tables", [], { collections: ["a.b", "a_b"] });
  assert.deepEqual(collide.map(({ level, collection }) => [level, collection]), [["wrong", "shop.a_b"]]);
  assert.match(collide[0]?.text ?? "", /shop\.a\.b and shop\.a_b/);
  const own = await ask("tables", [], { collections: ["cdc_lock"] });
  assert.match(own[0]?.text ?? "", /is a name of the relay's own tables/);
});

Deno.test("the probe of tables reports the faults of existing ones", async () => {
  const definition = 'CREATE TABLE IF NOT EXISTS "shop"."orders" (\n   "oid" TEXT NOT NULL,\n' +
    '   "data" OBJECT(DYNAMIC) AS (\n      "place" GEO_POINT\n   ),\n   "overflow" OBJECT(IGNORED),\n' +
    '   PRIMARY KEY ("oid")\n)\n' +
    'WITH (\n   "blocks.write" = true,\n   "mapping.total_fields.limit" = 4\n)';
  const existing = (key: string): Answers => [
    [/^SELECT schemaname/, [["shop", "orders"]]],
    [/^SHOW/, [[definition.replace('("oid")', `("${key}")`)]]],
  ];
  const given = { collections: ["orders"] };
  const findings = await ask("tables", existing("oid"), given);
  assert.deepEqual(findings.map(({ level, text }) => [level, text]), [
    [
      "warning",
      '"shop"."orders": A column of this type cannot store values unchanged; they go to overflow: ' +
      "data['place'] GEO_POINT",
    ],
    ["wrong", '"shop"."orders" is closed by "blocks.write"'],
    ["warning", '"shop"."orders" has 4 columns, near the limit of 4'],
  ]);
  const [other] = await ask("tables", existing("id"), given);
  assert.match(other?.text ?? "", /`oid` is not its primary key/);
  assert.match(other?.hint ?? "", /RENAME TO/);
});

Deno.test("the probe of tables names rebuild if the rows are in partitions of another unit", async () => {
  const definition = 'CREATE TABLE IF NOT EXISTS "shop"."orders" (\n   "oid" TEXT NOT NULL,\n' +
    '   "part" TIMESTAMP WITH TIME ZONE NOT NULL,\n   "data" OBJECT(DYNAMIC),\n' +
    '   "overflow" OBJECT(IGNORED),\n   PRIMARY KEY ("oid", "part")\n)\nPARTITIONED BY ("part")';
  const answers: Answers = [
    [/^SELECT schemaname/, [["shop", "orders"]]],
    [/^SHOW/, [[definition]]],
    [/^SELECT oid, part/, [["66967a00e4b0f1a2c3d4e5f6", Date.UTC(2024, 6, 1)]]],
  ];
  const levels = async (unit: string) => {
    const given = { collections: ["orders"], flags: { "partition-by": `${unit}=$id` } };
    return (await ask("tables", answers, given)).map(({ level, hint }) => [level, hint ?? ""] as const);
  };
  const [[level, hint] = []] = await levels("day");
  assert.equal(level, "wrong");
  assert.match(hint ?? "", /run rebuild shop\.orders with its options/);
  assert.deepEqual(await levels("month"), [["ok", ""]]);
});

const VERSIONS: Readonly<Record<string, readonly [type: string, lacks: string, has: string]>> = {
  "NUMERIC columns": ["numeric(5,2)", "5.8.9", "5.9.0"],
  "the type UUID": ["uuid", "6.1.0", "6.2.0"],
  "the type FLOAT_VECTOR": ["float_vector(3)", "5.4.0", "5.10.0"],
};

for (const [what, [type, lacks, has]] of Object.entries(VERSIONS)) {
  Deno.test(`the probe of tables reports that CrateDB lacks ${what}, as a relay does`, async () => {
    const found = 'CREATE TABLE IF NOT EXISTS "shop"."orders" (\n   "oid" TEXT NOT NULL,\n' +
      '   "data" OBJECT(DYNAMIC),\n   "overflow" OBJECT(IGNORED),\n   PRIMARY KEY ("oid")\n)';
    const answersOf = (version: string): Answers => [[/version\(\)/, [[`CrateDB ${version} (built …)`]]]];
    const existing: Answers = [[/^SELECT schemaname/, [["shop", "orders"]]], [/^SHOW/, [[found]]]];
    const given = { collections: ["orders"], types: { total: type } };
    for (const before of [[], existing]) {
      const [finding] = await ask("tables", [...before, ...answersOf(lacks)], given);
      assert.deepEqual([finding?.level, finding?.collection], ["wrong", "shop.orders"]);
      const { transport, settings } = sideOf([...before, ...answersOf(lacks)], given);
      const table = { schema: "shop", name: "orders" };
      const design = settings.for({ database: "shop", collection: "orders" });
      await assert.rejects(openTable(transport, { table, ...design }), {
        name: "UnusableTableError",
        message: finding?.text,
        hint: finding?.hint,
      });
      assert.match(finding?.text ?? "", new RegExp(`this CrateDB lacks ${what}$`));
      const [usable] = await ask("tables", [...before, ...answersOf(has)], given);
      assert.equal(usable?.level, "ok");
    }
  });
}

Deno.test("the probe of the lease names the owner, unless the relay would wait", async () => {
  const held: Answers = [
    [/cdc_position/, [["shop.*", null, null, null, 0, true, "host/1/ab", Date.UTC(2026, 0, 1)]]],
  ];
  const [finding] = await ask("position", held);
  assert.equal(finding?.level, "warning");
  assert.match(
    finding?.text ?? "",
    /^Another relay \(host\/1\/ab\) follows this stream: .*2026-01-01T00:00:00/,
  );
  const [awaited] = await ask("position", held, { flags: { "on-held": "wait" } });
  assert.equal(awaited?.level, "ok");
  assert.deepEqual((await ask("position", [])).map(({ level }) => level), ["ok", "ok"]);
});

Deno.test("the probe of settings names the collections that a relay would read again", async () => {
  const saved: Answers = [[/FROM pg_catalog\.pg_tables/, [[1]]], [/cdc_settings/, [["before"]]]];
  const content = {
    text: "now",
    unmatched: (): readonly string[] => [],
    isOutdated: (before: string) => ({ collection }: Namespace) =>
      before === "before" && collection === "users",
  };
  const settings = PROBES_OF_BOTH.filter(({ name }) => name === "settings");
  const [finding] = await askAll(settings, { ...sideOf(saved, {}), content });
  assert.equal(finding?.level, "warning");
  assert.match(finding?.text ?? "", /a relay takes a snapshot of shop\.users$/);
  const asked = async (change: Partial<typeof content>) =>
    (await askAll(settings, { ...sideOf(saved, {}), content: { ...content, ...change } })).map(({ level }) =>
      level
    );
  assert.deepEqual(await asked({ text: "before" }), ["ok"]);
  assert.deepEqual(await asked({ isOutdated: () => () => false }), ["ok"]);
  assert.deepEqual(await asked({ text: "before", unmatched: () => ["usres"] }), ["warning", "ok"]);
  assert.deepEqual(await ask("settings", saved), []);
});
