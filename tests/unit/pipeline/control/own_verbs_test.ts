import assert from "node:assert/strict";
import { BSON } from "mongodb";
import { OWN_VERBS, reloadVerb } from "../../../../lib/pipeline/control/own_verbs.ts";
import { repairVerb } from "../../../../lib/pipeline/control/repair_verb.ts";
import {
  type ControlledStream,
  RefusedError,
  type VerbContext,
} from "../../../../lib/pipeline/control/verb.ts";

for (
  const [verb, given, message] of [
    ["pause", { until: "now" }, /Unknown argument: until/],
    ["pause", { reason: 7 }, /reason is no text: 7/],
    ["pause", { resume: "later" }, /resume is not one of auto, never: "later"/],
    ["pause", { resumeAt: "tomorrow" }, /resumeAt is neither now, nor a time.*: "tomorrow"/],
    ["resume", { id: 1 }, /Unknown argument: id/],
    ["rate", {}, /rate needs snapshot or verify/],
    ["rate", { snapshot: -1 }, /no whole number of at least 0: -1/],
    ["rate", { verify: "fast" }, /no whole number of at least 0: "fast"/],
    ["stop", { at: "midnight" }, /at is neither now, nor a time.*: "midnight"/],
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

Deno.test("stop that a killed relay has begun stops the stream before a term of the next one begins", () => {
  const stopped: unknown[] = [];
  const stream = {
    settings: { snapshot: "initial" },
    state: { token: null },
    stop: (at: unknown) => new Promise(() => stopped.push(at)),
    timeNow: () => new Promise(() => {}),
  } as unknown as ControlledStream;
  OWN_VERBS.stop?.read({ at: "7:1" })({ stream, isResumed: true } as VerbContext);
  assert.deepEqual(stopped, [new BSON.Timestamp({ t: 7, i: 1 })]);
});

Deno.test("rate and repair are long: requests after them do not wait for the loop", () => {
  assert.deepEqual([OWN_VERBS.rate?.kind, repairVerb.kind], ["long", "long"]);
});

Deno.test("stop at a time is refused if a pause begins while MongoDB is asked for its time", async () => {
  const asked = Promise.withResolvers<BSON.Timestamp>();
  const stream = {
    settings: { snapshot: "initial" },
    state: { token: null },
    paused: undefined as object | undefined,
    stop: () => assert.fail("it stops"),
    timeNow: () => asked.promise,
  };
  const context = { stream: stream as unknown as ControlledStream, isResumed: false } as VerbContext;
  const stopping = OWN_VERBS.stop?.read({ at: "7:1" })(context);
  stream.paused = {};
  asked.resolve(new BSON.Timestamp({ t: 6, i: 1 }));
  await assert.rejects(async () => await stopping, /^RefusedError: The stream is paused/);
});
