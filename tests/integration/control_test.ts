/** Requests of operators: by SQL and by `ctl`, with kills between their steps. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { BSON, type Document } from "mongodb";
import { eventually } from "../../dev/servers/eventually.ts";
import { type Outcome, run } from "../support/program.ts";
import { compare, inStep } from "../support/compare.ts";
import { ends, request, requestRow } from "../support/control_rows.ts";
import { type CratedbContext, cratedbTest } from "../support/cratedb_harness.ts";
import { oidsOf } from "../support/follow.ts";
import { filledShare, oldestEntry } from "../../lib/source/stream/oplog.ts";
import { directRoute } from "../../lib/source/connection/route.ts";
import { ownMongodbTest } from "../support/own_mongodb.ts";

const phase = async ({ sql }: CratedbContext) => (await sql("SELECT phase FROM cdc_status"))[0]?.phase;

const ctl = ({ httpUrl }: CratedbContext, ...args: string[]): Promise<Outcome> =>
  run(["ctl", ...args], { env: { CRATEDB_SQLALCHEMY_URL: httpUrl } });

const dataOf = ({ mongodb, database }: CratedbContext) => mongodb.db(database).collection<Document>("data");

/** The lines of a log that say that a request has ended, by id. */
const endsIn = (lines: readonly string[]) =>
  lines.flatMap((line) => /A request has ended.* id=(\S+) state=(\S+)/.exec(line)?.slice(1).join(" ") ?? []);

cratedbTest("cdc_control pauses, resumes and stops a stream by SQL alone", async (context) => {
  const { relay, verify } = context;
  const data = dataOf(context);
  await data.insertOne({ _id: 1 as never });
  const running = relay(["--lease", "2s"]);
  await running.waitForLine(/Ready/);
  await inStep(context);

  await request(context, "p", "pause", { reason: "moving" });
  await ends(context, "p");
  await data.insertOne({ _id: 2 as never });
  await eventually(async () => assert.equal(await phase(context), "paused"));
  assert.deepEqual(await oidsOf(context, context.table), ["1"]);
  const { stdout, code } = await verify([]);
  assert.match(stdout, /: 1 not settled, otherwise equal up to .* \(the stream is paused, and rows may be/);
  assert.equal(code, 3);
  await request(context, "list", "letters", { action: "list" });
  assert.equal(await ends(context, "list"), "0 dead letters");

  await request(context, "bad", "pause", { until: "tomorrow" });
  await request(context, "r", "resume");
  assert.match(await ends(context, "bad", "refused"), /Unknown argument: until/);
  await ends(context, "r");
  await inStep(context);

  await request(context, "s", "stop");
  assert.equal((await running.status).code, 0, running.stderr.join("\n"));
  assert.match(await ends(context, "s"), /^Stopped at 20\d\d-/);
  assert.deepEqual(endsIn(running.stderr), ["p done", "list done", "bad refused", "r done", "s done"]);
});

cratedbTest("a pause survives kill -9, also one between its steps", async (context) => {
  const { relay, sql } = context;
  const first = relay(["--lease", "1s"]);
  await first.waitForLine(/Ready/);
  await request(context, "p", "pause");
  await ends(context, "p");
  await first.kill("SIGKILL");
  // As if it had been killed before the end was saved.
  await sql("UPDATE cdc_control SET state = 'running' WHERE id = 'p'");
  await dataOf(context).insertOne({ _id: 1 as never });

  const second = relay(["--lease", "1s"]);
  await second.waitForLine(/A request has ended verb=pause id=p state=done/);
  await eventually(async () => assert.equal(await phase(context), "paused"));
  await second.kill("SIGKILL");

  // Asked while no relay runs.
  await request(context, "r", "resume");
  const third = relay(["--lease", "1s"]);
  await third.waitForLine(/A request has ended verb=resume id=r state=done/);
  await third.kill("SIGKILL");
  await sql("UPDATE cdc_control SET state = 'running' WHERE id = 'r'");
  const fourth = relay(["--lease", "1s"]);
  await fourth.waitForLine(/A request has ended verb=resume id=r state=done/);
  await inStep(context);
  assert.deepEqual(endsIn(fourth.stderr), ["r done"]);
}, { ownProcess: true });

/** Has the relay stop at a time that is not over when it reads the request. */
async function stopSoon(
  context: CratedbContext,
): Promise<{ readonly id: string; readonly at: BSON.Timestamp }> {
  for (let seconds = 8;; seconds *= 2) {
    const { operationTime } = await context.mongodb.db("admin").command({ ping: 1 });
    const at = new BSON.Timestamp({ t: operationTime.t + seconds, i: 40 });
    const id = `stop in ${seconds} s`;
    await request(context, id, "stop", { at: `${at.t}:${at.i}` });
    const state = await eventually(async () => {
      const row = await requestRow(context, id);
      assert.ok(row?.state === "refused" || row?.state === "done");
      return row.state;
    }, { timeout: 150_000 });
    if (state === "done") return { id, at };
  }
}

cratedbTest("stop --at leaves the table equal to MongoDB at that cluster time", async (context) => {
  const { mongodb, relay } = context;
  const data = dataOf(context);
  const running = relay(["--lease", "5s", "--batch-size", "200"]);
  await running.waitForLine(/Ready/);
  let writes = true;
  const load = (async () => {
    for (let n = 0; writes; n++) {
      await data.insertOne({ _id: n as never, v: 0 });
      await data.updateMany({ _id: { $gt: n - 4 } as never }, { $inc: { v: 1 } });
      if (n % 3 === 0) await data.deleteOne({ _id: (n - 10) as never });
      await delay(15); // A load that a busy machine keeps up with.
    }
  })();
  try {
    await eventually(async () => assert.ok((await oidsOf(context, context.table)).length > 20), {
      timeout: 60_000,
    });
    const { id, at } = await stopSoon(context).catch((error) => {
      throw new Error(running.stderr.join("\n"), { cause: error });
    });
    assert.equal((await running.status).code, 0, running.stderr.join("\n"));
    assert.match(await ends(context, id), new RegExp(`Stopped at .*operation time ${at.t}:${at.i}`));
    assert.deepEqual(await compare(context, { at }), []);
    assert.notDeepEqual(await compare(context), []);
  } finally {
    writes = false;
    await load;
  }
  await mongodb.db("admin").command({ ping: 1 });
  const again = relay(["--lease", "5s"]);
  await again.waitForLine(/Ready/);
  await request(context, "over", "stop", { at: "2020-01-01T00:00:00Z" });
  assert.match(await ends(context, "over", "refused"), /is over: MongoDB is at/);
  await inStep(context);
});

cratedbTest("kill -9 before the time of stop --at: the next relay stops at it", async (context) => {
  const { mongodb, relay } = context;
  const first = relay(["--lease", "1s"]);
  await first.waitForLine(/Ready/);
  const { operationTime } = await mongodb.db("admin").command({ ping: 1 });
  const at = new BSON.Timestamp({ t: operationTime.t + 8, i: 1 });
  await request(context, "s", "stop", { at: `${at.t}:${at.i}` });
  await ends(context, "s", "running");
  await dataOf(context).insertOne({ _id: 1 as never });
  await first.kill("SIGKILL");
  // A write after the time, with which MongoDB passes it.
  await eventually(async () => {
    const { operationTime } = await mongodb.db("admin").command({ ping: 1 });
    await dataOf(context).insertOne({});
    assert.ok(operationTime.t > at.t);
  });
  const second = relay(["--lease", "1s"]);
  assert.equal((await second.status).code, 0, second.stderr.join("\n"));
  assert.match(await ends(context, "s"), /^Stopped at/);
  assert.deepEqual(await compare(context, { at }), []);
}, { ownProcess: true });

ownMongodbTest("a pause ends before MongoDB drops the changes after the position", async (context) => {
  const { relay, mongodb } = context;
  const data = dataOf(context);
  const filler = mongodb.db("filler").collection("data");
  const fill = (bytes: number) => filler.insertOne({ filler: randomBytes(bytes) });
  const share = await filledShare(directRoute(mongodb));
  assert.ok(share !== undefined && share < 1, `${share}`);
  // An oplog that drops entries, and has a window of a minute at this rate.
  await eventually(async () => {
    await fill(100_000);
    assert.ok(!(await oldestEntry(directRoute(mongodb))).isFirst);
  }, { interval: 200, timeout: 60_000 });
  await data.insertMany(Array.from({ length: 100 }, (_, _id) => ({ _id: _id as never })));
  const running = relay();
  await running.waitForLine(/Ready/);
  await inStep(context);
  await request(context, "p", "pause");
  await ends(context, "p");
  await data.updateMany({}, { $set: { v: 1 } });
  await eventually(async () => {
    await fill(20_000);
    assert.ok(running.stderr.some((line) => /WARN .*The pause ends/.test(line)));
  }, { interval: 1_000, timeout: 120_000 });
  await inStep(context);
  assert.ok(
    !running.stderr.some((line) => /no longer has the changes/.test(line)),
    running.stderr.join("\n"),
  );
}, { args: ["--oplogSize", "1", "--syncdelay", "1"] });

cratedbTest("--start-at follows a new stream from a time, without what was before", async (context) => {
  const { mongodb, relay } = context;
  const data = dataOf(context);
  await data.insertOne({ _id: 1 as never });
  const { operationTime: { t, i } } = await mongodb.db("admin").command({ ping: 1 });
  await data.insertOne({ _id: 2 as never });
  const running = relay(["--snapshot", "never", "--start-at", `${t}:${i + 1}`]);
  await running.waitForLine(/Ready/);
  await data.insertOne({ _id: 3 as never });
  await eventually(async () => assert.deepEqual(await oidsOf(context, context.table), ["2", "3"]));
  assert.equal((await running.kill()).code, 0);
  const wrong = relay(["--start-at", "2001-01-01"]);
  assert.equal((await wrong.status).code, 2);
  await wrong.waitForLine(/--start-at cannot be given with --snapshot initial/);
});

cratedbTest("a request to a stream with workers is done when all have done it", async (context) => {
  const { relay } = context;
  const workers = [0, 1].map((index) => relay(["--worker", `${index}/2`, "--lease", "2s"]));
  for (const each of workers) await each.waitForLine(/Ready/);
  const paused = await ctl(context, "pause", "--wait", "--timeout", "40s");
  assert.equal(paused.code, 0, paused.stdout + paused.stderr);
  const { sql } = context;
  await eventually(async () => {
    const phases = (await sql("SELECT phase FROM cdc_status")).map((each) => each.phase);
    assert.deepEqual(phases, ["paused", "paused"]);
  });
  const stopped = await ctl(context, "stop", "--wait", "--timeout", "40s");
  assert.equal(stopped.code, 0, stopped.stdout + stopped.stderr);
  for (const each of workers) assert.equal((await each.status).code, 0, each.stderr.join("\n"));
});

cratedbTest(
  "ctl says that a request waits while no relay runs, and lists and cancels it",
  async (context) => {
    const { relay } = context;
    const nothing = await ctl(context, "resume");
    assert.deepEqual([nothing.code, /stream/.test(nothing.stderr)], [2, true], nothing.stderr);
    const running = relay();
    await running.waitForLine(/Ready/);
    await running.kill();
    const asked = await ctl(context, "pause", "--expires", "5m");
    assert.equal(asked.code, 0, asked.stderr);
    assert.match(
      asked.stdout,
      /^Asked for pause \(\S+\).*\nNo relay follows this stream: the request waits until 20/,
    );
    const [, id = ""] = /\((\S+)\)/.exec(asked.stdout) ?? [];
    await ctl(context, "cancel", id);
    const again = relay();
    await again.waitForLine(/A request has ended verb=cancel .* state=done/);
    const listed = JSON.parse((await ctl(context, "list", "--json")).stdout) as Document[];
    assert.deepEqual(listed.map(({ verb, state }) => `${verb} ${state}`), ["cancel done", "pause cancelled"]);
    assert.notEqual(await phase(context), "paused");
    const letters = await ctl(context, "letters", "list");
    assert.match(letters.stdout, /\nletters done: 0 dead letters\n$/, "a request for an answer waits for it");
  },
);
