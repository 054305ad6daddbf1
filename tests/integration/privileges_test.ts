/** The privileges that a user of MongoDB needs: no more than the documentation has. */
import assert from "node:assert/strict";
import type { Document } from "mongodb";
import { eventually } from "../../dev/servers/eventually.ts";
import { oidsOf } from "../support/follow.ts";
import { type OwnContext, ownMongodbTest, urlOf } from "../support/own_mongodb.ts";
import { nightly } from "../support/nightly.ts";

const USER = { name: "relay", password: "hush-hush" };
const AUTH = { binary: true, auth: true };
const ACTIONS = ["find", "changeStream"];

interface Rights {
  /** What the user may do, and with which resource. */
  readonly privileges: (database: string) => readonly Document[];
  readonly roles?: (database: string) => readonly Document[];
  readonly flags: (database: string) => readonly string[];
}

const oneCollection = (database: string) => ["--database", database, "--collection", "data"];

const RIGHTS: Readonly<Record<string, Rights>> = {
  "find and changeStream on one collection": {
    privileges: (db) => [{ resource: { db, collection: "data" }, actions: ACTIONS }],
    flags: oneCollection,
  },
  "find and changeStream on a database": {
    privileges: (db) => [{ resource: { db, collection: "" }, actions: ACTIONS }],
    flags: (database) => ["--database", database],
  },
  "find and changeStream on all databases": {
    privileges: () => [{ resource: { db: "", collection: "" }, actions: ACTIONS }],
    flags: () => ["--database", "*"],
  },
  "find and changeStream on one collection, with a transform and a worker": {
    privileges: (db) => [{ resource: { db, collection: "data" }, actions: ACTIONS }],
    flags: (database) => [...oneCollection(database), "--omit", "nothing", "--worker", "0/1"],
  },
  "the role read on a database": {
    privileges: () => [],
    roles: (db) => [{ role: "read", db }],
    flags: (database) => ["--database", database],
  },
  "the role readAnyDatabase": {
    privileges: () => [],
    roles: () => [{ role: "readAnyDatabase", db: "admin" }],
    flags: () => ["--database", "*"],
  },
};

/** The other rights are between them. */
const WIDEST_AND_NARROWEST = [
  "find and changeStream on all databases",
  "find and changeStream on one collection, with a transform and a worker",
];

/** Makes the user, with these rights and no others. @returns the URL to log in with */
async function grant(own: OwnContext, { privileges, roles = () => [] }: Rights): Promise<string> {
  const admin = own.mongodb.db("admin");
  await admin.command({
    createRole: "cdc",
    privileges: privileges(own.database),
    roles: roles(own.database),
  });
  await admin.command({ createUser: USER.name, pwd: USER.password, roles: ["cdc"] });
  return urlOf(own.mongodbUrl.replace(/\/\/.*@/, "//").replace("&authSource=admin", ""), USER);
}

for (const [what, rights] of Object.entries(RIGHTS)) {
  nightly(ownMongodbTest, !WIDEST_AND_NARROWEST.includes(what))(
    `relay() needs no more than ${what}`,
    async (own) => {
      const { mongodb, database, schema } = own;
      const data = mongodb.db(database).collection<Document>("data");
      await data.insertMany([{ _id: "a" }, { _id: "b" }] as Document[]);
      await mongodb.db(`${database}_other`).collection("data").insertOne({ n: 1 });
      const url = await grant(own, rights);
      const flags = [
        ...rights.flags(database),
        "--exclude",
        `${database}_other.*`,
        "--table",
        `${schema}.{database}_{collection}`,
      ];
      const env = { MONGODB_URL: url };
      const sees = (oids: readonly string[]) =>
        eventually(async () => assert.deepEqual(await oidsOf(own, `${database}_data`), oids));

      const first = own.follow(flags, { env });
      await first.waitForLine(/Ready/);
      await data.insertOne({ _id: "c" } as Document);
      await data.deleteOne({ _id: "a" } as Document);
      await sees(["b", "c"]);
      assert.equal((await first.kill()).code, 0, first.stderr.join("\n"));
      assert.doesNotMatch(
        first.stderr.join("\n"),
        / WARN /,
        "what the user may not see is not claimed to be missing",
      );

      await data.insertOne({ _id: "d" } as Document);
      const second = own.follow([...flags, "--on-drop", "truncate"], { env });
      await sees(["b", "c", "d"]);
      await data.drop();
      await sees([]);
      await data.insertOne({ _id: "e" } as Document);
      await sees(["e"]);
      assert.equal((await second.kill()).code, 0, second.stderr.join("\n"));
    },
    AUTH,
  );
}

const LACKING: Readonly<Record<string, readonly string[]>> = {
  find: ["changeStream"],
  changeStream: ["find"],
};

for (const [missing, actions] of Object.entries(LACKING)) {
  ownMongodbTest(`relay() reports what it is not allowed without ${missing}`, async (own) => {
    await own.mongodb.db(own.database).collection("data").insertOne({ n: 1 });
    const url = await grant(own, {
      privileges: (db) => [{ resource: { db, collection: "data" }, actions }],
      flags: oneCollection,
    });
    const running = own.follow(oneCollection(own.database), { env: { MONGODB_URL: url } });
    assert.equal((await running.status).code, 1);
    const text = running.stderr.join("\n");
    assert.match(text, /Error: MongoDB does not allow this/);
    assert.match(text, /to execute (?:aggregate|count|find)$/m);
    assert.match(text, /`find` and `changeStream`/);
    assert.doesNotMatch(text, /^ +at |hush/m);
  }, AUTH);
}
