import type { BSON } from "mongodb";
import { ANSWER_LIMITS, AnswerLimit } from "./answer_limit.ts";
import type { Route } from "./route.ts";

/**
 * The time of the newest operation of the deployment: what was written before now is not newer.
 *
 * @throws MongoError; OverdueError
 */
export async function operationTimeOf({ client }: Route): Promise<BSON.Timestamp> {
  await using session = client.startSession();
  const hello = ({ signal }: { readonly signal: AbortSignal }) =>
    client.db("admin").command({ hello: 1 }, { session, signal });
  await new AnswerLimit(ANSWER_LIMITS.read).run(hello);
  if (!session.operationTime) throw new Error("MongoDB answered without operationTime");
  return session.operationTime;
}
