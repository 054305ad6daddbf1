import assert from "node:assert/strict";
import { eventually } from "../../dev/servers/eventually.ts";
import { cratedbTest } from "../support/cratedb_harness.ts";
import { countRows } from "../support/follow.ts";

interface Told {
  readonly kind: string;
  readonly stream: string;
  readonly details: { readonly collection?: string };
}

/** A receiver that keeps what it is told, and answers as it is told to. */
function receiver(answer: () => Response | Promise<Response> = () => new Response()) {
  const told: Told[] = [];
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async (request) => {
    told.push(await request.json());
    return await answer();
  });
  return {
    told,
    url: `http://127.0.0.1:${server.addr.port}/services/hush`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

cratedbTest(
  "cdc-relay --on-event-url is told of what needs attention, and the log has no secret",
  async (context) => {
    const { mongodb, database, relay, sql, schema } = context;
    await using hook = receiver();
    const data = mongodb.db(database).collection<{ _id: number; n: unknown }>("data");
    await data.insertOne({ _id: 1, n: 1 });
    const running = relay(["--on-event-url", hook.url]);
    await running.waitForLine(/Ready/);
    // Another relay has taken the lease over.
    await sql(
      `UPDATE "${schema}".cdc_position SET owner = 'other', lease_until = CURRENT_TIMESTAMP::bigint + 3600000`,
    );
    await eventually(() => assert.ok(hook.told.length > 0));
    assert.notEqual((await running.kill()).code, 0);
    assert.deepEqual(hook.told.map(({ kind }) => kind), ["failed"]);
    assert.doesNotMatch(running.stderr.join("\n"), /hush/);
  },
);

cratedbTest("a hook that hangs or refuses delays nothing, and the relay stops in time", async (context) => {
  const { mongodb, database, relay } = context;
  const over = Promise.withResolvers<Response>();
  await using hanging = receiver(() => over.promise);
  await using refusing = receiver(() => new Response("", { status: 500 }));
  const data = mongodb.db(database).collection<{ _id: number }>("data");
  await data.insertOne({ _id: 1 });
  const file = await Deno.makeTempFile({ suffix: ".yaml" });
  try {
    const url = (each: { readonly url: string }) => `{ url: "${each.url}", kinds: [started, columns_added] }`;
    await Deno.writeTextFile(
      file,
      `version: 1
hooks: [${url(hanging)}, ${url(refusing)}]
streams: { main: {} }
`,
    );
    const running = relay(["--config", file]);
    await running.waitForLine(/Ready/);
    await eventually(() => assert.ok(hanging.told.length > 0 && refusing.told.length > 0));
    await data.insertMany(Array.from({ length: 2_000 }, (_, n) => ({ _id: 2 + n })));
    await eventually(async () => assert.equal(await countRows(context), 2_001));
    await running.waitForLine(/An event could not be reported to a hook.*http:\/\/127\.0\.0\.1:\d+\/\*\*\*/);
    assert.equal((await running.kill()).code, 0, running.stderr.join("\n"));
    assert.doesNotMatch(running.stderr.join("\n"), /hush/);
  } finally {
    over.resolve(new Response());
    await Deno.remove(file);
  }
});
