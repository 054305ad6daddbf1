/**
 * The BSON corpus of the MongoDB specifications: `source/bson-corpus/tests/*.json` in a folder that `BSON_CORPUS` names.
 *
 * @see https://github.com/mongodb/specifications/blob/master/source/bson-corpus/bson-corpus.md
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Db } from "mongodb";
import { eventually } from "../../dev/servers/eventually.ts";
import { BsonType } from "../../lib/bson/bson.ts";
import { jsonOf } from "../../lib/mapping/bson_to_json.ts";
import { documentOf, raw } from "../support/raw_bson.ts";
import { normalizeJson } from "../../lib/mapping/normalize.ts";
import { wholeRows } from "../support/compare.ts";
import { cratedbTest, transports } from "../support/cratedb_harness.ts";
import { rawCommand } from "../support/raw_command.ts";

/** Documents that MongoDB doesn't take: a compressed column that is none. */
const REFUSED: readonly string[] = ["binary 9: subtype 0x07, canonical_bson"];

const FORMS = ["canonical_bson", "degenerate_bson", "converted_bson"] as const;

interface CorpusFile {
  readonly valid?:
    readonly (Readonly<Partial<Record<typeof FORMS[number], string>>> & { readonly description: string })[];
}

/** Every valid document, `{_id, <name of the file>: document}` by its `_id`. */
function corpus(folder: string): ReadonlyMap<string, Uint8Array> {
  const files = readdirSync(folder).filter((file) => file.endsWith(".json"));
  return new Map(files.flatMap((file) => {
    const { valid = [] }: CorpusFile = JSON.parse(readFileSync(join(folder, file), "utf8"));
    const name = file.replace(/\.json$/, "");
    return valid.flatMap((test, index) =>
      FORMS.flatMap((form) => {
        const hex = test[form];
        if (!hex) return [];
        const id = `${name} ${index}: ${test.description}, ${form}`;
        const value = { type: BsonType.document, bytes: Uint8Array.fromHex(hex) };
        return [[id, documentOf([["_id", raw.string(id)], [name, value]])] as const];
      })
    );
  }));
}

/** Inserts the documents one by one, since one that is refused as BSON takes its whole statement with it. */
async function refusedOf(
  db: Db,
  documents: ReadonlyMap<string, Uint8Array>,
): Promise<Record<string, string>> {
  const refused: Record<string, string> = {};
  for (const [id, bytes] of documents) {
    const [error] = await rawCommand(db, "insert", [bytes]).catch((
      { message },
    ) => [{ errmsg: String(message) }]);
    if (error) refused[id] = error.errmsg;
  }
  return refused;
}

const whole = (bytes: Uint8Array): string =>
  normalizeJson(jsonOf({ type: BsonType.document, bytes, offset: 0, length: bytes.length }));

const folder = Deno.env.get("BSON_CORPUS");
if (!folder) {
  Deno.test.ignore("relay() stores the BSON corpus whole: BSON_CORPUS names no folder", () => {});
} else {
  const documents = corpus(folder);
  for (const transport of transports) {
    cratedbTest(
      `relay() stores the ${documents.size} documents of the BSON corpus whole, over ${transport}`,
      async (context) => {
        const { mongodb, database, relay, sql } = context;
        assert.ok(documents.size > 600, `${folder} has ${documents.size}`);
        await relay([], { transport }).waitForLine(/Ready/);
        const refused = await refusedOf(mongodb.db(database), documents);
        assert.deepEqual(Object.keys(refused), REFUSED, JSON.stringify(refused));
        const expected = new Map(
          [...documents].flatMap(([id, bytes]) => id in refused ? [] : [[id, whole(bytes)] as const]),
        );
        await eventually(async () => {
          const rows = await wholeRows(context);
          assert.equal(rows.size, expected.size);
          assert.deepEqual([...rows].filter(([id, row]) => expected.get(id) !== row), []);
        });
        assert.deepEqual(await sql("SELECT oid, error FROM cdc_dead_letter"), []);
      },
    );
  }
}
