import type { BSON } from "mongodb";
import type { Route } from "./route.ts";

/**
 * The time of the newest operation of the deployment: what was written before now is not newer.
 *
 * @throws MongoError
 */
export async function operationTimeOf({ client }: Route): Promise<BSON.Timestamp> {
  await using session = client.startSession();
  await client.db("admin").command({ hello: 1 }, { session });
  if (!session.operationTime) throw new Error("MongoDB answered without operationTime");
  return session.operationTime;
}
