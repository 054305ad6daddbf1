import assert from "node:assert/strict";
import { inStep } from "../support/compare.ts";
import { type CratedbContext, cratedbTest } from "../support/cratedb_harness.ts";
import { binaryVersion, ownMongodbTest } from "../support/own_mongodb.ts";
import { nightly, variants } from "../support/nightly.ts";

type Document = { _id: string; n: number; text?: string };

const MEGABYTE = 2 ** 20;
const LONG_KEY = "k".repeat(1.4 * MEGABYTE);
const LONG_TEXT = "t".repeat(11.3 * MEGABYTE);

const collectionOf = ({ mongodb, database }: CratedbContext) =>
  mongodb.db(database).collection<Document>("data");

for (const length of variants([20_000], [8_000, 100_000])) {
  cratedbTest(`relay() follows keys of ${length} bytes, and goes on after them`, async (context) => {
    const data = collectionOf(context);
    const running = context.relay();
    await running.waitForLine(/Ready/);
    const key = "k".repeat(length);
    await data.insertOne({ _id: key, n: 1 });
    await data.insertMany([{ _id: `${key}1`, n: 1 }, { _id: `${key}2`, n: 1 }]);
    await inStep(context);
    await data.updateOne({ _id: key }, { $set: { n: 2 } });
    await data.deleteOne({ _id: `${key}1` });
    await inStep(context);
    assert.equal((await running.kill()).code, 0, running.stderr.join("\n").slice(0, 2_000));
    await data.insertOne({ _id: "after", n: 1 });
    const again = context.relay(["--snapshot", "always", "--batch-size", "1"]);
    await again.waitForLine(/Ready/);
    await inStep(context);
    assert.equal((await again.kill()).code, 0);
  });
}

nightly(cratedbTest)("relay() writes an update of a 15 MB document", async (context) => {
  const data = collectionOf(context);
  await data.insertOne({ _id: "large", n: 1, text: "t".repeat(15 * MEGABYTE) });
  const running = context.relay();
  await running.waitForLine(/Ready/);
  await inStep(context);
  await data.updateOne({ _id: "large" }, { $set: { n: 2, text: "u".repeat(15 * MEGABYTE) } });
  await data.insertOne({ _id: "next", n: 1 });
  await inStep(context, { interval: 200 });
  assert.equal((await running.kill()).code, 0, running.stderr.join("\n").slice(0, 2_000));
});

cratedbTest("relay() lands events over 16 MB, also when it is killed among them", async (context) => {
  const data = collectionOf(context);
  const start = () => context.relay(["--lease", "1s", "--save-interval", "0ms"]);
  const first = start();
  await first.waitForLine(/Ready/);
  await data.insertOne({ _id: "large", n: 1 });
  await inStep(context);
  await first.kill("SIGKILL");
  // The event has the text twice: in the document, and in what was updated.
  await data.updateOne({ _id: "large" }, { $set: { n: 2, text: LONG_TEXT } });
  await data.updateOne({ _id: "large" }, { $set: { n: 3 } });
  for (let kill = 0; kill < 3; kill++) {
    const running = start();
    await running.waitForLine(/Resuming from the saved position/);
    await running.kill("SIGKILL");
  }
  const last = start();
  await data.insertOne({ _id: "next", n: 1 });
  await inStep(context, { interval: 200 });
  assert.equal((await last.kill()).code, 0, last.stderr.join("\n").slice(0, 2_000));
}, { ownProcess: true });

/** The key is in each fragment of the event, three times, so that it cannot be split either. */
async function namesTheDocument(context: CratedbContext): Promise<void> {
  const data = collectionOf(context);
  await data.insertOne({ _id: "ok", n: 1 });
  const running = context.relay(["--full-document", "updateLookup"]);
  await running.waitForLine(/Ready/);
  await data.insertOne({ _id: LONG_KEY, n: 1 });
  await inStep(context);
  await data.updateOne({ _id: "ok" }, { $set: { n: 2 } });
  await data.updateOne({ _id: LONG_KEY }, { $set: { n: 2, text: LONG_TEXT } });
  const line = await running.waitForLine(/^Error: .*larger than 16 MB.*kkkk/);
  assert.ok(line.length < 2_000, `a line of ${line.length} characters`);
  assert.equal((await running.status).code, 1);
  await running.waitForLine(/--exclude/);
  assert.ok(!running.stderr.some((each) => /^ +at |Uncaught/.test(each)));
}

cratedbTest("relay() names the document whose event cannot be delivered", namesTheDocument);

cratedbTest("relay() looks up a document whose event could not be delivered with it", async (context) => {
  const data = collectionOf(context);
  await data.insertOne({ _id: LONG_KEY, n: 1 });
  const running = context.relay();
  await running.waitForLine(/Ready/);
  await data.updateOne({ _id: LONG_KEY }, { $set: { n: 2, text: LONG_TEXT } });
  await inStep(context, { interval: 200 });
  assert.equal((await running.kill()).code, 0, running.stderr.join("\n").slice(0, 2_000));
});

nightly(cratedbTest)("relay() goes past a key of 6 MB with --snapshot always", async (context) => {
  const data = collectionOf(context);
  const running = context.relay();
  await running.waitForLine(/Ready/);
  const documents = ["before", "k".repeat(6 * MEGABYTE), "after"].map((_id) => ({ _id, n: 1 }));
  await data.insertMany(documents);
  await running.waitForLine(/^Error: .*larger than 16 MB.*with a key that is too large to show/);
  assert.equal((await running.status).code, 1);
  const again = context.relay(["--snapshot", "always"]);
  await again.waitForLine(/Ready/);
  await data.insertOne({ _id: "next", n: 1 });
  await inStep(context, { interval: 200 });
  assert.equal((await again.kill()).code, 0, again.stderr.join("\n").slice(0, 2_000));
});

/** 6.0.9 and newer split large events. */
const isOld = binaryVersion !== undefined && /^(?:[45]\.|6\.0\.[0-8]\b)/.test(binaryVersion);

/** For a server that cannot split events. */
const oldTest: typeof ownMongodbTest = isOld ? ownMongodbTest : (name) => Deno.test.ignore(name, () => {});

oldTest("relay() names the document whose event an older MongoDB cannot deliver", namesTheDocument, {
  binary: true,
});
