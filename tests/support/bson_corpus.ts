/**
 * The BSON corpus of the MongoDB specifications: `source/bson-corpus/tests/*.json` in a folder that `BSON_CORPUS` names.
 *
 * @see https://github.com/mongodb/specifications/blob/master/source/bson-corpus/bson-corpus.md
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Db } from "mongodb";
import { BsonType } from "../../lib/bson/bson.ts";
import { documentOf, raw } from "./raw_bson.ts";
import { rawCommand } from "./raw_command.ts";

/** Documents that MongoDB doesn't take: a compressed column that is none. */
export const REFUSED: readonly string[] = ["binary 9: subtype 0x07, canonical_bson"];

const FORMS = ["canonical_bson", "degenerate_bson", "converted_bson"] as const;

interface CorpusFile {
  readonly valid?:
    readonly (Readonly<Partial<Record<typeof FORMS[number], string>>> & { readonly description: string })[];
}

/** The folder; undefined if it does not exist. */
export const corpusFolder: string | undefined = Deno.env.get("BSON_CORPUS") || undefined;

/**
 * Every valid document, `{_id, <name of the file>: document}` by its `_id`.
 *
 * @param prefix of each `_id`, so that the corpus can be inserted several times @default ""
 */
export function corpus(folder: string, prefix = ""): ReadonlyMap<string, Uint8Array> {
  const files = readdirSync(folder).filter((file) => file.endsWith(".json"));
  return new Map(files.flatMap((file) => {
    const { valid = [] }: CorpusFile = JSON.parse(readFileSync(join(folder, file), "utf8"));
    const name = file.replace(/\.json$/, "");
    return valid.flatMap((test, index) =>
      FORMS.flatMap((form) => {
        const hex = test[form];
        if (!hex) return [];
        const id = `${prefix}${name} ${index}: ${test.description}, ${form}`;
        const value = { type: BsonType.document, bytes: Uint8Array.fromHex(hex) };
        return [[id, documentOf([["_id", raw.string(id)], [name, value]])] as const];
      })
    );
  }));
}

/** Inserts the documents one by one, since one that is refused as BSON takes its whole statement with it. */
export async function refusedOf(
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
