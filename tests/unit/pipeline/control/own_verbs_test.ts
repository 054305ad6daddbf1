import assert from "node:assert/strict";
import { OWN_VERBS, reloadVerb } from "../../../../lib/pipeline/control/own_verbs.ts";
import { RefusedError, type VerbContext } from "../../../../lib/pipeline/control/verb.ts";

for (
  const [verb, given, message] of [
    ["pause", { until: "now" }, /Unknown argument: until/],
    ["pause", { reason: 7 }, /reason is no text: 7/],
    ["pause", { resume: "later" }, /neither auto nor never: later/],
    ["pause", { resumeAt: "tomorrow" }, /resumeAt is neither now, nor a time.*: tomorrow/],
    ["resume", { id: 1 }, /Unknown argument: id/],
    ["rate", {}, /rate needs snapshot or verify/],
    ["rate", { snapshot: -1 }, /no whole number of at least 0: -1/],
    ["rate", { verify: "fast" }, /no whole number of at least 0: "fast"/],
    ["stop", { at: "midnight" }, /at is neither now, nor a time.*: midnight/],
    ["reload", {}, /started without a file/],
  ] as const
) {
  Deno.test(`${verb} refuses ${JSON.stringify(given)}`, () => {
    assert.throws(() => OWN_VERBS[verb]?.read(given), (error) => {
      assert.ok(error instanceof RefusedError);
      assert.match(error.message, message);
      return true;
    });
  });
}

Deno.test("reload is refused with the reason why the file cannot be used", async () => {
  const none = {} as VerbContext;
  assert.match(await reloadVerb(() => []).read({})(none), /reloaded/);
  await assert.rejects(async () => await reloadVerb(() => ["line 3: nonsense"]).read({})(none), /line 3/);
});

Deno.test("rate replaces the limit without a wait for the next batch", async () => {
  const limits: number[] = [];
  const loop = { snapshot: { limit: (rate: number) => void limits.push(rate) } };
  const stream = {
    replace: (change: unknown) => assert.deepEqual(change, { snapshotRate: 50 }),
    between: () => assert.fail("it waits"),
    later: (task: (place: typeof loop) => void) => task(loop),
  };
  const message = await OWN_VERBS.rate?.read({ snapshot: 50 })({ stream } as unknown as VerbContext);
  assert.match(message ?? "", /snapshot 50 documents\/s/);
  assert.deepEqual(limits, [50]);
});
