import assert from "node:assert/strict";
import { parseFulltext, parseTypes, withIndexed } from "../../../../lib/mapping/designed_types.ts";
import { CRATEDB, POSTGRESQL } from "../../../../lib/sink/sql/dialect.ts";
import {
  partitionsIn,
  settingsBeside,
  tableDefinition,
  type TableDesign,
} from "../../../../lib/sink/table/table_design.ts";

const FULLTEXT = parseFulltext({ "it's": { columns: ["o.tags[]"], analyzer: "english" } });
const BY_MONTH = { unit: "month", path: ["at"] } as const;
const DATA = '"data" OBJECT(DYNAMIC),\n   "overflow" OBJECT(IGNORED)';

const DEFINITIONS: readonly [design: Partial<TableDesign>, definition: string][] = [
  [{}, `(\n   "oid" TEXT PRIMARY KEY,\n   ${DATA}\n)`],
  [
    { shards: 2, replicas: "0-1" },
    `(\n   "oid" TEXT PRIMARY KEY,\n   ${DATA}\n) CLUSTERED BY (oid) INTO 2 SHARDS WITH ("number_of_replicas" = '0-1')`,
  ],
  [
    { partitionBy: BY_MONTH },
    `(\n   "oid" TEXT,\n   "part" TIMESTAMP WITH TIME ZONE,\n   ${DATA},\n   PRIMARY KEY ("oid", "part")\n) ` +
    "CLUSTERED BY (oid) PARTITIONED BY (part)",
  ],
  [
    { partitionBy: { unit: "value", path: ["country"] }, shards: 1 },
    `(\n   "oid" TEXT,\n   "part" TEXT,\n   ${DATA},\n   PRIMARY KEY ("oid", "part")\n) CLUSTERED BY (oid) INTO 1 SHARDS PARTITIONED BY (part)`,
  ],
  [
    {
      types: withIndexed(
        parseTypes({
          "total": "numeric(20,4)",
          "at": "geo_point",
          "o.area": "geo_shape",
          "v": "float_vector(3)",
        }),
        FULLTEXT,
      ),
      fulltext: FULLTEXT,
      replicas: "0",
      with: { "codec": "it's", "mapping.total_fields.limit": 2_000, 'a"b': false },
    },
    [
      "(",
      '   "oid" TEXT PRIMARY KEY,',
      '   "data" OBJECT(DYNAMIC) AS (',
      '      "total" NUMERIC(20, 4),',
      '      "o" OBJECT(DYNAMIC) AS (',
      '         "tags" ARRAY(TEXT)',
      "      )",
      "   ),",
      '   "overflow" OBJECT(IGNORED),',
      '   "geo" OBJECT(STRICT) AS (',
      '      "at" GEO_POINT,',
      '      "o" OBJECT(STRICT) AS (',
      '         "area" GEO_SHAPE',
      "      )",
      "   ),",
      '   "vector" OBJECT(STRICT) AS (',
      '      "v" FLOAT_VECTOR(3)',
      "   ),",
      `   INDEX "it's" USING FULLTEXT (data['o']['tags']) WITH (analyzer = 'english')`,
      `) WITH ("number_of_replicas" = '0', "codec" = 'it''s', "mapping.total_fields.limit" = 2000, "a""b" = false)`,
    ].join("\n"),
  ],
];

for (const [design, definition] of DEFINITIONS) {
  Deno.test(`tableDefinition() of ${JSON.stringify(design)}`, () => {
    assert.equal(tableDefinition(CRATEDB, { columns: "typed", ...design }), definition);
  });
}

Deno.test("tableDefinition() has the column cdc for soft deletes or metadata, and PostgreSQL refuses it", () => {
  for (const design of [{ deletes: "soft" }, { metadata: "on" }] as const) {
    assert.match(
      tableDefinition(CRATEDB, { columns: "typed", ...design }),
      /"overflow" OBJECT\(IGNORED\),\n {3}"cdc" OBJECT\(STRICT\) AS \(\n {6}"op" TEXT,[^]*"deleted_at" TIMESTAMP WITH TIME ZONE\n {3}\)\n\)$/,
    );
    assert.throws(() => tableDefinition(POSTGRESQL, { columns: "typed", ...design }), {
      message: /--deletes soft need CrateDB: the server is PostgreSQL$/,
    });
  }
  assert.doesNotMatch(tableDefinition(POSTGRESQL, { columns: "typed", deletes: "keep" }), /cdc/);
});

Deno.test("tableDefinition() refuses partitions in PostgreSQL, and leaves its shards out", () => {
  assert.throws(() => tableDefinition(POSTGRESQL, { columns: "typed", partitionBy: BY_MONTH }), {
    name: "UnusableTableError",
  });
  const types = parseTypes({ at: "geo_point" });
  assert.throws(() => tableDefinition(POSTGRESQL, { columns: "typed", types }), {
    name: "UnusableTableError",
    hint: "Leave them out. --deletes keep is possible.",
  });
  assert.equal(
    tableDefinition(POSTGRESQL, { columns: "typed", shards: 3 }),
    '(\n   "oid" TEXT PRIMARY KEY,\n   "data" JSONB,\n   "overflow" JSON\n)',
  );
});

const shown = (key: string, rest = "") =>
  `CREATE TABLE IF NOT EXISTS "doc"."t" (\n   "oid" TEXT NOT NULL,\n   ${key}\n)\nCLUSTERED BY ("oid") INTO 4 SHARDS\n${rest}WITH (`;
const BY_PART = 'PARTITIONED BY ("part")\n';

const KEYS: readonly [definition: string, type: string | undefined, found: string | undefined][] = [
  [shown('PRIMARY KEY ("oid")'), undefined, "none"],
  [shown('CONSTRAINT "a b" PRIMARY KEY ("oid")'), "TEXT", "none"],
  [shown('PRIMARY KEY ("oid", "part")', BY_PART), "TIMESTAMP", "bigint"],
  [shown('PRIMARY KEY ("oid", "part")', BY_PART), "TEXT", "text"],
  [shown('PRIMARY KEY ("oid", "part")', BY_PART), "BIGINT", undefined],
  [shown('PRIMARY KEY ("oid", "part")'), "TIMESTAMP", undefined],
  [shown('PRIMARY KEY ("oid", "part")', 'PARTITIONED BY ("part", "more")\n'), "TIMESTAMP", undefined],
  [shown('PRIMARY KEY ("oid", "more")'), "TIMESTAMP", undefined],
  [shown('PRIMARY KEY ("part", "oid")', BY_PART), "TIMESTAMP", undefined],
];

for (const [definition, type, found] of KEYS) {
  Deno.test(`partitionsIn() is ${found} for ${definition.split("\n").slice(2).join(" ")} and ${type}`, () => {
    assert.equal(partitionsIn(definition, type), found);
  });
}

Deno.test("settingsBeside() compares times and sizes with the numbers that CrateDB shows", () => {
  const definition = `CREATE TABLE "doc"."t" (\n   "oid" TEXT\n)\nCLUSTERED BY ("oid") INTO 4 SHARDS\nWITH (
   refresh_interval = 5000,
   "translog.durability" = 'REQUEST',
   "translog.flush_threshold_size" = 536870912\n)`;
  const others = (settings: TableDesign["with"]) =>
    settingsBeside(definition, { columns: "typed", with: settings });
  assert.deepEqual(
    others({
      "refresh_interval": "5s",
      "translog.durability": "request",
      "translog.flush_threshold_size": "512mb",
    }),
    [],
  );
  assert.deepEqual(others({ refresh_interval: "0s", codec: "best_compression" }), [
    "refresh_interval: 5000, not 0s",
    "codec: not set, not best_compression",
  ]);
});
