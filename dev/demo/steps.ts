/** The writes of the demo, in order. */
import { BSON, type Collection, type Document } from "mongodb";
import type { Dialect } from "../../lib/sink/sql/dialect.ts";

export interface DemoDocument extends Document {
  readonly _id: string | BSON.Int32 | BSON.ObjectId;
}

export interface Step {
  readonly title: string;
  /** The write in the shell's notation. */
  readonly command: string;
  readonly collection: string;
  readonly _id: DemoDocument["_id"];
  readonly write: (collection: Collection<DemoDocument>) => Promise<unknown>;
  /** Explains the row, for each kind of sink. */
  readonly note?: Partial<Record<Dialect["name"], string>>;
}

const { Binary, BSONRegExp, BSONSymbol, Code, DBRef, Decimal128, Double, Int32, Long } = BSON;
const { MaxKey, MinKey, ObjectId, Timestamp, UUID } = BSON;

const EVERY_TYPE = {
  _id: new ObjectId("669683c2b0750b2c84893f3e"),
  string: "Tromsø",
  int: new Int32(42),
  long: Long.fromString("9007199254740993"),
  double: new Double(1),
  nan: new Double(NaN),
  decimal: Decimal128.fromString("19.90"),
  boolean: true,
  date: new Date("2024-07-12T01:17:42.123Z"),
  timestamp: new Timestamp({ t: 1_720_739_862, i: 7 }),
  uuid: new UUID("3b241101-e2bb-4255-8caf-4136c566a962"),
  binary: new Binary(new Uint8Array([0xde, 0xad, 0xbe, 0xef])),
  regex: new BSONRegExp("^a+$", "i"),
  code: new Code("n => n + 1"),
  scoped: new Code("n => n + m", { m: new Int32(1) }),
  symbol: new BSONSymbol("legacy"),
  ref: new DBRef("readings", new ObjectId("669683c2b0750b2c84893f3e")),
  min: new MinKey(),
  max: new MaxKey(),
  null: null,
  array: [new Int32(1), new Int32(2), new Int32(3)],
  mixed: [new Int32(1), "two", { three: new Int32(3) }],
  object: { nested: { deep: new Double(0.5) }, list: [] },
};

const conflicting = (title: string, temperature: unknown, literal: string, id: number): Step => {
  const _id = new Int32(id);
  return {
    title: `Conflicting types, ${title}`,
    command: `db.conflicts.insertOne({_id: ${id}, temperature: ${literal}})`,
    collection: "conflicts",
    _id,
    write: (collection) => collection.insertOne({ _id, temperature }),
  };
};

const OSLO = { collection: "readings", _id: "oslo" };

export const STEPS: readonly [Step, ...Step[]] = [
  {
    ...OSLO,
    title: "Insert",
    command: "db.readings.insertOne({_id: 'oslo', temperature: 4.5, humidity: 81, at: …, tags: […]})",
    write: (collection) => {
      const values = { temperature: new Double(4.5), humidity: new Int32(81), tags: ["coast", "north"] };
      return collection.insertOne({ _id: "oslo", ...values, at: new Date("2024-07-12T01:17:42Z") });
    },
  },
  {
    ...OSLO,
    title: "Update",
    command: "db.readings.updateOne({_id: 'oslo'}, {$set: {temperature: 5.25, 'tags.1': 'rain'}})",
    write: (collection) => {
      const $set = { temperature: new Double(5.25), "tags.1": "rain" };
      return collection.updateOne({ _id: "oslo" }, { $set });
    },
  },
  {
    ...OSLO,
    title: "Replace",
    command: "db.readings.replaceOne({_id: 'oslo'}, {temperature: 5.5, wind: {speed: 7.2, from: 'NW'}})",
    write: (collection) => {
      const wind = { speed: new Double(7.2), from: "NW" };
      return collection.replaceOne({ _id: "oslo" }, { temperature: new Double(5.5), wind });
    },
  },
  {
    ...OSLO,
    title: "Delete",
    command: "db.readings.deleteOne({_id: 'oslo'})",
    write: (collection) => collection.deleteOne({ _id: "oslo" }),
  },
  {
    title: "Every BSON type that drivers write",
    command: "db.types.insertOne({…})",
    collection: "types",
    _id: EVERY_TYPE._id,
    write: (collection) => collection.insertOne(EVERY_TYPE),
    note: {
      CrateDB: "Each BSON type has its column type. A value that no column holds unchanged goes to overflow.",
      PostgreSQL: "JSONB holds nearly every value unchanged; the others go to overflow.",
    },
  },
  conflicting("first an integer", new Int32(20), "20", 1),
  {
    ...conflicting("then a fraction", new Double(20.5), "20.5", 2),
    note: { CrateDB: "BIGINT would truncate 20.5 to 20, so the relay widens the column." },
  },
  {
    ...conflicting("then a text", "warm", "'warm'", 3),
    note: {
      CrateDB: "A column of numbers holds no text: the value goes to overflow, the rest of the row to data.",
      PostgreSQL: "JSONB holds numbers and texts in one column.",
    },
  },
];
