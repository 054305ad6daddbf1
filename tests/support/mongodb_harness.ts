import { MongoClient } from "mongodb";
import { sharedServer } from "./shared_server.ts";

export const sharedMongodb = await sharedServer("mongodb");

/** What a test of the source gets. */
export interface MongodbContext {
  readonly mongodb: MongoClient;
  readonly mongodbUrl: string;
  /** Of this test alone; dropped afterwards. */
  readonly database: string;
}

/** Registers a test that needs a MongoDB replica set, ignored without one. */
export function mongodbTest(name: string, test: (context: MongodbContext) => unknown): void {
  Deno.test({
    name,
    ignore: !sharedMongodb.server,
    async fn() {
      await using stack = new AsyncDisposableStack();
      await test(mongodbContext(stack));
    },
  });
}

/** A client and a database that go when the stack is disposed of. */
export function mongodbContext(stack: AsyncDisposableStack): MongodbContext {
  const { server, description } = sharedMongodb;
  if (!server) throw new Error(description);
  const mongodb = stack.use(new MongoClient(server.url));
  const database = freshName();
  stack.defer(async () => void await mongodb.db(database).dropDatabase());
  return { mongodb, mongodbUrl: server.url, database };
}

/** @example OUT: test_3f2a9c1e */
export const freshName = (): string => `test_${crypto.randomUUID().slice(0, 8)}`;
