/** Requests of operators: by SQL and by `ctl`, with kills between their steps. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { BSON, type Document } from "mongodb";
import { eventually } from "../../dev/servers/eventually.ts";
import { type Outcome, run } from "../../dev/process/program.ts";
import { compare, inStep } from "../support/compare.ts";
import { type CratedbContext, cratedbTest } from "../support/cratedb_harness.ts";
import { oidsOf } from "../support/follow.ts";
import { ownMongodbTest } from "../support/own_mongodb.ts";

/** As `psql` users do: a row with an id and a verb. */
const request = ({ sql }: CratedbContext, id: string, verb: string, given: Document = {}) =>
  sql("INSERT INTO cdc_control (id, verb, arguments) VALUES (?, ?, ?)", [id, verb, JSON.stringify(given)]);

const stateOf = async ({ sql }: CratedbContext, id: string) =>
  (await sql("SELECT state, message FROM cdc_control WHERE id = ?", [id]))[0];

const ends = (context: CratedbContext, id: string, state = "done") =>
  eventually(async () => {
    const row = await stateOf(context, id);
    assert.equal(row?.state, state, `${row?.message}`);
    return String(row?.message);
  }, { timeout: 40_000 });

const phase = async ({ sql }: CratedbContext) => (await sql("SELECT phase FROM cdc_status"))[0]?.phase;

const ctl = ({ httpUrl }: CratedbContext, ...args: string[]): Promise<Outcome> =>
  run(["ctl", ...args], { env: { CRATEDB_SQLALCHEMY_URL: httpUrl } });

const dataOf = ({ mongodb, database }: CratedbContext) => mongodb.db(database).collection<Document>("data");

/** The lines of a log that say that a request has ended, by id. */
const endsIn = (lines: readonly string[]) =>
  lines.flatMap((line) => /A request has ended.* id=(\S+) state=(\S+)/.exec(line)?.slice(1).join(" ") ?? []);

cratedbTest("cdc_control pauses, resumes and stops a stream by SQL alone", async (context) => {
  const { relay } = context;
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

  await request(context, "bad", "pause", { until: "tomorrow" });
  await request(context, "r", "resume");
  assert.match(await ends(context, "bad", "refused"), /Unknown argument: until/);
  await ends(context, "r");
  await inStep(context);

  await request(context, "s", "stop");
  assert.equal((await running.status).code, 0, running.stderr.join("\n"));
  assert.match(await ends(context, "s"), /^Stopped at 20\d\d-/);
  assert.deepEqual(endsIn(running.stderr), ["p done", "bad refused", "r done", "s done"]);
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
});

cratedbTest("stop --at leaves the table equal to MongoDB at that cluster time", async (context) => {
  const { mongodb, mongodbUrl, database, relay } = context;
  const running = relay(["--lease", "2s", "--batch-size", "200"]);
  await running.waitForLine(/Ready/);
  const mix = "insert=40,update=40,replace=10,delete=10";
  const load = run(
    ["db-workload", "--database", database, "--count", "6000", "--rate", "400", "--mix", mix],
    { env: { MONGODB_URL: mongodbUrl } },
  );
  await eventually(async () => assert.ok((await oidsOf(context, context.table)).length > 100));
  const { operationTime } = await mongodb.db("admin").command({ ping: 1 });
  const at = new BSON.Timestamp({ t: operationTime.t + 6, i: 40 });
  const stopped = await ctl(context, "stop", "--at", `${at.t}:${at.i}`, "--wait", "--timeout", "50s");
  assert.equal(stopped.code, 0, stopped.stdout + running.stderr.join("\n"));
  assert.match(stopped.stdout, new RegExp(`Stopped at .*operation time ${at.t}:${at.i}`));
  assert.equal((await running.status).code, 0);
  assert.deepEqual(await compare(context, { at }), []);
  assert.equal((await load).code, 0);
  assert.notDeepEqual(await compare(context), []);

  const over = ctl(context, "stop", "--at", `${at.t}:${at.i}`, "--wait");
  const again = relay(["--lease", "2s"]);
  const { code, stdout } = await over;
  assert.deepEqual([code, /is over: MongoDB is at/.test(stdout)], [1, true], stdout);
  await inStep(context);
  await again.kill();
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
});

ownMongodbTest("a pause ends before MongoDB drops the changes after the position", async (context) => {
  const { relay, mongodb } = context;
  const data = dataOf(context);
  await data.insertMany(Array.from({ length: 100 }, (_, _id) => ({ _id: _id as never })));
  const running = relay();
  await running.waitForLine(/Ready/);
  await inStep(context);
  await request(context, "p", "pause");
  await ends(context, "p");
  await data.updateMany({}, { $set: { v: 1 } });
  const filler = mongodb.db("filler").collection("data");
  await eventually(async () => {
    await filler.insertOne({ filler: randomBytes(50_000) });
    assert.ok(running.stderr.some((line) => /WARN .*The pause ends/.test(line)));
  }, { interval: 100, timeout: 120_000 });
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

  const early = relay(["--snapshot", "never", "--start-at", "2001-01-01", "--exclude", "none"]);
  assert.equal((await early.status).code, 1);
  await early.waitForLine(/MongoDB no longer has the changes since --start-at 2001-01-01/);
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
  },
);
