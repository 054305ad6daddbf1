import { Binary, UUID } from "mongodb";
import { settled, stops, tablesAre, whole } from "../support/collections.ts";
import { inStep } from "../support/compare.ts";
import { cratedbTest } from "../support/cratedb_harness.ts";
import { startRelay } from "../support/follow.ts";

type Document = { _id: number; [field: string]: unknown };

const STATES = ["esc", "ecc", "ecoc", "ecoc.compact"];
const SUBTYPE_ENCRYPTED = 6;
/** The server checks what a client without encryption writes. */
const UNCHECKED = { bypassDocumentValidation: true };

const random = (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes));

/** As a client with Queryable Encryption writes it: a ciphertext, and tags to search by. */
const encrypted = (_id: number): Document => ({
  _id,
  ssn: new Binary(Uint8Array.of(7, ...random(64)), SUBTYPE_ENCRYPTED),
  __safeContent__: [new Binary(random(32)), new Binary(random(32))],
});

cratedbTest(
  "relay() lands encrypted documents whole, and leaves out what MongoDB keeps of them",
  async (context) => {
    const db = context.mongodb.db(context.database);
    const ssn = { path: "ssn", bsonType: "string", keyId: new UUID(), queries: { queryType: "equality" } };
    await db.command({ create: "patients", encryptedFields: { fields: [ssn] } });
    const insert = async (_id: number) => {
      await db.collection<Document>("patients").insertOne(encrypted(_id), UNCHECKED);
      for (const state of STATES) {
        await db.collection<Document>(`enxcol_.patients.${state}`).insertOne({ _id });
      }
    };
    await insert(1);
    await using running = startRelay(context, whole(context));
    await running.waitForLine(/Ready/);
    await insert(2);
    await db.collection<Document>("patients").updateOne({ _id: 1 }, { $set: { name: "Ada" } }, UNCHECKED);
    await settled(context);
    await inStep({ ...context, table: "patients" }, { collections: ["patients"] });
    await tablesAre(context, ["patients", "zz"]);
    await stops(running);
  },
);
