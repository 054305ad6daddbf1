/** Requests whose relay is killed before or after each write: the next relay ends them, once. */
import assert from "node:assert/strict";
import { BSON } from "mongodb";
import { Controller } from "../../../../lib/pipeline/control/controller.ts";
import { lettersVerb } from "../../../../lib/pipeline/control/letters_verb.ts";
import { OWN_VERBS, reloadVerb } from "../../../../lib/pipeline/control/own_verbs.ts";
import { repairVerb } from "../../../../lib/pipeline/control/repair_verb.ts";
import { snapshotVerb } from "../../../../lib/pipeline/control/snapshot_verb.ts";
import type { ControlledStream } from "../../../../lib/pipeline/control/verb.ts";
import { QUIET } from "../../../../lib/util/log.ts";
import { requestsInMemory } from "../../../support/requests_in_memory.ts";

const STREAM = "shop.*";

/** What a kill does not undo. */
interface World {
  readonly requests: ReturnType<typeof requestsInMemory>;
  paused: boolean;
  /** What the verbs have done. */
  readonly done: string[];
}

function streamOf(world: World): ControlledStream {
  const outcomes = new Map<string, unknown>();
  const filtered = {
    add: ({ id }: { readonly id: string }) => (outcomes.set(id, { kind: "done", documents: 3 }), id),
    outcome: (id: string) => outcomes.get(id),
  };
  const scope = { includes: () => true };
  const loop = {
    settings: { scope },
    snapshot: { limit: (rate: number) => world.done.push(`limit ${rate}`), filtered },
    checkpoint: { applied: () => {}, save: async () => {}, flush: async () => {} },
    tables: { attempt: () => Promise.resolve(true), states: { all: [].values() } },
    causalReader: { exists: () => Promise.resolve(true) },
    reader: { checkQuery: async () => {} },
    share: { among: () => Promise.resolve([]) },
  };
  const stream = {
    settings: { scope, snapshot: "initial" },
    log: QUIET,
    clock: { now: () => 9_000 },
    state: { token: null, snapshot: null },
    get paused() {
      return world.paused ? {} : undefined;
    },
    replace: (change: object) => world.done.push(JSON.stringify(change)),
    between: (task: (place: unknown) => Promise<unknown>) => task(loop),
    pause: () => Promise.resolve(world.paused = true),
    resume: () => Promise.resolve(world.paused = false),
    stop: () => Promise.resolve(new BSON.Timestamp({ t: 7, i: 1 })),
    timeNow: () => Promise.resolve(new BSON.Timestamp({ t: 6, i: 0 })),
  };
  return stream as unknown as ControlledStream;
}

/** Has a relay look at the table twice, and kills it before a write, or before the answer to it. */
async function runRelay(world: World, kill?: { readonly write: number; readonly isLost: boolean }) {
  const { requests } = world;
  const killed = new AbortController();
  let write = 0;
  const controller = new Controller({
    requests: {
      ...requests,
      save: async (...change: Parameters<typeof requests.save>) => {
        if (killed.signal.aborted) throw killed.signal.reason;
        const isLast = write++ === kill?.write;
        if (isLast) killed.abort(new Error("killed"));
        if (!isLast || kill?.isLost) await requests.save(...change);
        killed.signal.throwIfAborted();
      },
    },
    verbs: {
      ...OWN_VERBS,
      letters: lettersVerb,
      repair: repairVerb,
      snapshot: snapshotVerb,
      reload: reloadVerb(() => (world.done.push("reload"), [])),
    },
    streamFor: () => streamOf(world),
    stream: STREAM,
    countStreams: () => Promise.resolve(1),
    emit: () => {},
    log: QUIET,
    clock: { wait: async () => {} },
    signal: killed.signal,
  });
  for (let poll = 0; poll < 2 && !killed.signal.aborted; poll++) {
    await controller.poll().catch((error) => assert.equal(error.message, "killed"));
    for (const { verb } of requests.rows.values()) await controller.settled(verb);
  }
}

const collection = "shop.orders";

const VERBS = {
  pause: { resumeAt: "1970-01-01T00:00:10Z" },
  resume: {},
  reload: {},
  rate: { snapshot: 7 },
  stop: { at: "7:1" },
  letters: { action: "retry" },
  repair: { collection, keys: [{ oid: "1" }] },
  snapshot: { collection, filter: { n: 1 } },
  cancel: { id: "other" },
};

for (const [verb, given] of Object.entries(VERBS)) {
  Deno.test(`Controller ends ${verb} as done, once, at whichever write the relay is killed`, async () => {
    for (const write of [0, 1, 2]) {
      for (const isLost of [false, true]) {
        const requests = requestsInMemory(STREAM);
        const world: World = { requests, paused: verb === "resume", done: [] };
        if (verb === "cancel") requests.put({ id: "other", verb: "snapshot", isExpired: false });
        requests.put({ id: "a", verb, arguments: given });
        await runRelay(world, { write, isLost });
        await runRelay(world);
        await runRelay(world);
        const ends = requests.ends.filter((end) => end.startsWith("a "));
        assert.deepEqual(ends, ["a done"], `${write} ${isLost}: ${requests.rows.get("a")?.message}`);
        if (verb === "cancel") assert.equal(requests.rows.get("other")?.state, "cancelled");
        if (verb === "pause" || verb === "resume") assert.equal(world.paused, verb === "pause");
      }
    }
  });
}
