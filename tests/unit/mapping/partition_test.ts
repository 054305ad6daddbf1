import assert from "node:assert/strict";
import { BSON } from "mongodb";
import { documentValue, fieldsByName } from "../../../lib/bson/bson.ts";
import {
  firstKept,
  isExpired,
  isFixed,
  parsePartitionBy,
  parseRetention,
  type PartitionBy,
  partOf,
  partOfId,
  type Retention,
  type TimeUnit,
  unfitPart,
} from "../../../lib/mapping/partition.ts";
import { latin1 } from "../../support/raw_bson.ts";

const at = (unit: PartitionBy["unit"], path = "at"): PartitionBy => ({ unit, path: path.split(".") });
const part = (document: BSON.Document, by: PartitionBy) => partOf(BSON.serialize(document), by);
const dayOf = (text: string | undefined) => text === undefined ? text : new Date(Number(text)).toISOString();

for (
  const [unit, start] of [
    ["year", "2026-01-01T00:00:00.000Z"],
    ["month", "2026-03-01T00:00:00.000Z"],
    ["week", "2026-03-23T00:00:00.000Z"],
    ["day", "2026-03-29T00:00:00.000Z"],
    ["hour", "2026-03-29T23:00:00.000Z"],
  ] as const
) {
  Deno.test(`partOf() cuts a time to the start of its ${unit}, in UTC`, () => {
    // A Sunday, in the hour after clocks change in Europe.
    assert.equal(dayOf(part({ at: new Date("2026-03-29T23:59:59.999Z") }, at(unit))), start);
    assert.equal(part({ at: new Date(start) }, at(unit)), String(Date.parse(start)));
  });
}

Deno.test("partOf() cuts times before 1970, and those of the years 1 to 99", () => {
  assert.equal(
    dayOf(part({ at: new Date("1969-12-31T23:59:59.999Z") }, at("month"))),
    "1969-12-01T00:00:00.000Z",
  );
  assert.equal(
    dayOf(part({ at: new Date("0050-06-01T00:00:00Z") }, at("year"))),
    "0050-01-01T00:00:00.000Z",
  );
});

Deno.test("partOf() reads the time of dates, ObjectIds and timestamps, below objects too", () => {
  const _id = new BSON.ObjectId("669683c2b0750b2c84893f3e");
  assert.equal(dayOf(part({ _id }, at("day", "_id"))), "2024-07-16T00:00:00.000Z");
  const time = BSON.Timestamp.fromBits(5, 1_721_140_162);
  assert.equal(dayOf(part({ a: { b: time } }, at("day", "a.b"))), "2024-07-16T00:00:00.000Z");
});

Deno.test("partOf() is undefined for a document with a text or a name that is not UTF-8", () => {
  for (const document of [{ at: "caf~" }, { "caf~": 1, at: "x" }]) {
    assert.equal(partOf(latin1(BSON.serialize(document)), at("value")), undefined);
  }
});

Deno.test("isExpired() is true before the first partition that is kept, but for that of rows without a time", () => {
  const first = Date.UTC(2026, 0);
  assert.deepEqual(["-1", "0", "1", String(first), undefined].map((part) => isExpired(part, first)), [
    true,
    false,
    true,
    false,
    false,
  ]);
});

const UNFIT: Readonly<Record<string, BSON.Document>> = {
  "nothing": {},
  "null": { at: null },
  "a text": { at: "2026-01-01" },
  "a number": { at: 1_721_140_162_000 },
  "an array": { at: [new Date()] },
  "an object": { at: { b: new Date() } },
  "a year of five digits": { at: new Date("+010000-01-01T00:00:00Z") },
  "a year before 1": { at: new Date("-000001-12-31T00:00:00Z") },
};

for (const [what, document] of Object.entries(UNFIT)) {
  Deno.test(`partOf() has no time for ${what}`, () => assert.equal(part(document, at("day")), undefined));
}

Deno.test("partOf() takes no time beyond the range of dates in JavaScript", () => {
  const document = BSON.serialize({ at: new Date(0) });
  document.fill(0x7f, 8, 15);
  assert.equal(partOf(document, at("day")), undefined);
});

Deno.test("partOf() finds nothing below an array or a scalar", () => {
  assert.equal(part({ a: [{ b: new Date() }] }, at("day", "a.b")), undefined);
  assert.equal(part({ a: 5 }, at("day", "a.b")), undefined);
});

Deno.test("partOf() takes texts, integers, booleans and ObjectIds as values, if they are short", () => {
  const by = at("value");
  const _id = new BSON.ObjectId();
  assert.deepEqual(
    [
      "AT",
      "",
      "é/'\"\\\n",
      new BSON.Int32(5),
      BSON.Long.fromString("9223372036854775807"),
      true,
      _id,
      "x".repeat(100),
    ]
      .map((value) => part({ at: value }, by)),
    ["AT", "", "é/'\"\\\n", "5", "9223372036854775807", "true", _id.toHexString(), "x".repeat(100)],
  );
  for (const value of ["x".repeat(101), "é".repeat(51), 0.5, null, new Date(), {}, []]) {
    assert.equal(part({ at: value }, by), undefined);
  }
});

Deno.test("unfitPart() is the start of 1970, or an empty text", () => {
  assert.equal(unfitPart(at("month")), "0");
  assert.equal(unfitPart(at("value")), "");
});

Deno.test("partOfId() is the partition of the document with this _id", () => {
  for (const _id of [new BSON.ObjectId(), "text", { day: new Date("2026-05-05T05:00:00Z"), n: 1 }]) {
    const document = BSON.serialize({ _id });
    const id = fieldsByName(document).get("_id") ?? documentValue(document);
    for (const path of ["_id", "_id.day"]) {
      assert.equal(isFixed(at("day", path)), true);
      assert.equal(partOfId(id, at("day", path)), partOf(document, at("day", path)));
    }
  }
  assert.equal(isFixed(at("day")), false);
});

const KEPT: readonly [keep: Retention, by: TimeUnit, now: string, first: string][] = [
  [{ count: 24, unit: "month" }, "month", "2026-11-30T07:00:00Z", "2024-11-01T00:00:00.000Z"],
  [{ count: 24, unit: "month" }, "day", "2026-11-30T07:00:00Z", "2024-11-30T00:00:00.000Z"],
  [{ count: 1, unit: "month" }, "day", "2026-03-31T07:00:00Z", "2026-02-28T00:00:00.000Z"],
  [{ count: 3, unit: "month" }, "day", "2026-01-15T00:00:00Z", "2025-10-15T00:00:00.000Z"],
  [{ count: 1, unit: "year" }, "hour", "2024-02-29T12:30:00Z", "2023-02-28T12:00:00.000Z"],
  [{ count: 2, unit: "week" }, "week", "2026-11-30T07:00:00Z", "2026-11-16T00:00:00.000Z"],
  [{ count: 36, unit: "hour" }, "hour", "2026-11-30T07:10:00Z", "2026-11-28T19:00:00.000Z"],
  [{ count: 7, unit: "day" }, "month", "2026-11-30T07:10:00Z", "2026-11-01T00:00:00.000Z"],
];

for (const [keep, by, now, first] of KEPT) {
  Deno.test(`firstKept() of ${keep.count} ${keep.unit}s by ${by} at ${now} is ${first}`, () => {
    assert.equal(new Date(firstKept(keep, by, Date.parse(now))).toISOString(), first);
  });
}

Deno.test("parsePartitionBy() reads texts and mappings", () => {
  assert.deepEqual(parsePartitionBy("month=$id"), { unit: "month", path: ["_id"] });
  assert.deepEqual(parsePartitionBy("hour=a.b"), { unit: "hour", path: ["a", "b"] });
  assert.deepEqual(parsePartitionBy({ value: "country" }), { unit: "value", path: ["country"] });
});

for (
  const bad of [
    "",
    "month",
    "month=",
    "months=$id",
    "month=a..b",
    "month=items[].at",
    "day=$at",
    {},
    { day: 5 },
    { day: "a", hour: "b" },
    null,
    5,
  ]
) {
  Deno.test(`parsePartitionBy() refuses ${JSON.stringify(bad)}`, () => {
    assert.throws(() => parsePartitionBy(bad), RangeError);
  });
}

Deno.test("parseRetention() reads a number and a unit", () => {
  assert.deepEqual(parseRetention("24 months"), { count: 24, unit: "month" });
  assert.deepEqual(parseRetention("1 year"), { count: 1, unit: "year" });
  for (const bad of ["", "24", "months", "0 days", "-1 days", "1.5 days", "3 fortnights", "100000 years"]) {
    assert.throws(() => parseRetention(bad), RangeError);
  }
});
