/** Some documents of a collection, to see what it is like. */
import type { Document, MongoClient } from "mongodb";
import type { Namespace } from "../namespace.ts";

const SIZE = 1_000;

/** Documents taken at random, as raw BSON. */
export async function* sample(
  client: MongoClient,
  { database, collection }: Namespace,
  shape: readonly Document[],
): AsyncGenerator<Uint8Array> {
  const pipeline = [{ $sample: { size: SIZE } }, ...shape];
  const cursor = client.db(database).collection(collection).aggregate(pipeline, { raw: true });
  for await (const document of cursor) yield document as unknown as Uint8Array;
}
