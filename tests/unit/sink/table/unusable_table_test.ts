import assert from "node:assert/strict";
import { SinkError } from "../../../../lib/sink/connection/sink_error.ts";
import {
  columnFaults,
  errorOfOpening,
  isUnusableTable,
  unusableTable,
} from "../../../../lib/sink/table/unusable_table.ts";

const TABLE = { schema: "doc", name: "t" };
const PLAIN = [
  { path: ["oid"], type: "TEXT NOT NULL" },
  { path: ["data"], type: "OBJECT(DYNAMIC) AS (" },
  { path: ["data", "n"], type: "BIGINT" },
  { path: ["overflow"], type: "OBJECT(IGNORED)" },
];
const NEEDED = ["oid", "data", "overflow"];

Deno.test("columnFaults() finds nothing wrong with a table of the relay, nor with columns of users beside `data`", () => {
  const own = { path: ["day"], type: "TIMESTAMP GENERATED ALWAYS AS date_trunc('day', data['at'])" };
  assert.deepEqual(columnFaults([...PLAIN, own], NEEDED), []);
});

Deno.test("columnFaults() names columns that were dropped, if statements write to them", () => {
  const left = PLAIN.slice(0, 3);
  assert.deepEqual(columnFaults(left), []);
  assert.deepEqual(columnFaults(left, NEEDED), [{ what: "its column `overflow` was dropped" }]);
});

Deno.test("unusableTable() names the columns to drop", () => {
  const columns = [
    ...PLAIN.slice(0, 3),
    { path: ["overflow"], type: "OBJECT(IGNORED) AS (" },
    { path: ["overflow", "it's"], type: "OBJECT(DYNAMIC) AS (" },
    { path: ["overflow", "it's", "x"], type: "BIGINT" },
    { path: ["data", "g"], type: "BIGINT GENERATED ALWAYS AS data['n'] + 1" },
  ];
  const { message, hint } = unusableTable(TABLE, columnFaults(columns, NEEDED));
  assert.equal(
    message,
    'Table "doc"."t" cannot be used: its `overflow` is not a plain OBJECT(IGNORED), but OBJECT(IGNORED) with ' +
      "columns, data['g'] gets values from the table (GENERATED ALWAYS).",
  );
  assert.match(
    hint ?? "",
    /ALTER TABLE "doc"\."t" DROP COLUMN overflow\['it''s'\], DROP COLUMN data\['g'\]\n/,
  );
});

Deno.test("unusableTable() proposes to drop no column if that would not do", () => {
  const faults = [...columnFaults(PLAIN.slice(0, 3), NEEDED), { what: "it has x", columns: ["data['x']"] }];
  assert.doesNotMatch(unusableTable(TABLE, faults).hint ?? "", /DROP/);
});

const OPENING: readonly (readonly [code: string, newTable: boolean, withRows: boolean])[] = [
  ["4011", true, true], // no privilege
  ["4041", true, true], // relation unknown
  ["4002", true, true], // invalid relation name
  ["XX000", true, false], // unspecific
  ["503", false, false], // unavailable
  ["ECONNRESET", false, false],
  ["401", false, false], // login
];

for (const [code, newTable, withRows] of OPENING) {
  Deno.test(`isUnusableTable() of an error with code ${code} while a table is opened`, () => {
    const error = new SinkError("no", { code });
    assert.equal(isUnusableTable(errorOfOpening(error, { hasRows: false })), newTable);
    assert.equal(isUnusableTable(errorOfOpening(error, { hasRows: true })), withRows);
  });
}

Deno.test("isUnusableTable() counts no refused statement as the fault of a table that is in use", () => {
  assert.equal(isUnusableTable(new SinkError("no", { code: "4000" })), false);
  assert.equal(isUnusableTable(new SinkError("no", { code: "4011" })), true);
  assert.equal(isUnusableTable(new Error("no")), false);
});
