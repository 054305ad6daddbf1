import assert from "node:assert/strict";
import { LeaseHeldError } from "../../../lib/sink/metadata/lease.ts";
import { createLogger, QUIET } from "../../../lib/util/log.ts";
import { ownRelay, repair, type RepairDeps } from "../../../lib/verify/repair.ts";

const KEYS = [{ oid: "a", id: undefined }, { oid: "b", id: undefined }];

import type {
  ControlRequest,
  NewRequest,
  RequestChange,
  RequestState,
} from "../../../lib/sink/metadata/control_requests.ts";

type RepairKeys = Parameters<typeof repair>[0];

interface Relay {
  isRunning: boolean;
  /** The requests that each worker takes per poll. @default {[1]} */
  takes?: readonly number[];
  /** Polls before it takes the first ones. @default {0} */
  idlePolls?: number;
  /** Runs when `verify` starts a relay. */
  onStart?: () => void;
  failure?: unknown;
  refuses?: boolean;
}

function repairing(relay: Relay) {
  const done: string[] = [];
  const clock = {
    time: 0,
    now: () => clock.time,
    monotonic: () => clock.time,
    wait: (ms: number) => Promise.resolve(void (clock.time += ms)),
  };
  const requests = (relay.takes ?? [1]).map((takes, at) => {
    let left = 0;
    let polls = 0;
    const request = (state: RequestState): ControlRequest => ({
      ...{ id: String(at), stream: "shop.*", verb: "repair", arguments: {}, askedAt: 0, askedBy: "verify" },
      ...{
        expiresAt: 0,
        isExpired: false,
        state,
        progress: null,
        message: "it is paused",
        startedAt: null,
        endedAt: null,
      },
    });
    return {
      add: ({ verb, arguments: given }: NewRequest) => {
        assert.equal(verb, "repair");
        assert.equal(given?.collection, "shop.orders");
        left = (given?.keys as readonly unknown[]).length;
        done.push(`ask ${at} for ${left}`);
        return Promise.resolve(request("asked"));
      },
      find: () => {
        if (relay.refuses) return Promise.resolve(request("refused"));
        if (polls++ >= (relay.idlePolls ?? 0)) left = Math.max(0, left - takes);
        return Promise.resolve(request(left === 0 ? "done" : "running"));
      },
      save: (_id: string, { state }: RequestChange) => Promise.resolve(void done.push(`${state} at ${at}`)),
    };
  });
  const deps: RepairDeps = {
    namespace: { database: "shop", collection: "orders" },
    relay: { isRunning: () => Promise.resolve(relay.isRunning) },
    requests,
    startRelay: () => {
      done.push("start");
      relay.onStart?.();
      return Promise.resolve();
    },
    failure: () => relay.failure,
    settle: 1_000,
    clock,
    signal: new AbortController().signal,
  };
  return { repairKeys: (keys: RepairKeys = KEYS) => repair(keys, deps), done };
}

const held = () => {
  throw new LeaseHeldError("other", "follows this stream: shop.*");
};

Deno.test("repair() asks a relay that runs", async () => {
  const { repairKeys, done } = repairing({ isRunning: true });
  await repairKeys();
  assert.deepEqual(done, ["ask 0 for 2"]);
});

Deno.test("repair() asks each worker, and is done when each has taken the requests", async () => {
  const { repairKeys, done } = repairing({ isRunning: true, takes: [1, 2] });
  await repairKeys();
  assert.deepEqual(done, ["ask 0 for 2", "ask 1 for 2"]);
  const stuck = repairing({ isRunning: true, takes: [1, 0], onStart: held });
  await assert.rejects(stuck.repairKeys(), /takes no repairs/);
  assert.deepEqual(stuck.done.slice(0, 3), [
    "ask 0 for 2",
    "ask 1 for 2",
    "cancelled at 1",
  ]);
});

Deno.test("repair() throws why a relay repairs nothing", async () => {
  const { repairKeys, done } = repairing({ isRunning: true, refuses: true });
  await assert.rejects(repairKeys(), {
    name: "UserError",
    message: "The relay has not repaired the rows: it is paused",
  });
  assert.deepEqual(done, ["ask 0 for 2"]);
});

Deno.test("repair() starts a relay if none runs, and asks it", async () => {
  const relay: Relay = { isRunning: false, onStart: () => relay.isRunning = true };
  const { repairKeys, done } = repairing(relay);
  await repairKeys();
  assert.deepEqual(done, ["start", "ask 0 for 2"]);
});

Deno.test("repair() asks a relay that has started since", async () => {
  const relay: Relay = {
    isRunning: false,
    onStart: () => {
      relay.isRunning = true;
      held();
    },
  };
  const { repairKeys, done } = repairing(relay);
  await repairKeys();
  assert.deepEqual(done, ["start", "ask 0 for 2"]);
});

Deno.test("repair() throws the error of a relay that cannot start", async () => {
  const onStart = () => {
    throw new Error("no history");
  };
  const { repairKeys, done } = repairing({ isRunning: false, onStart });
  await assert.rejects(repairKeys(), /no history/);
  assert.deepEqual(done, ["start"]);
});

Deno.test("repair() throws if the running relay takes no requests, and starts no other one", async () => {
  const { repairKeys, done } = repairing({ isRunning: true, takes: [0] });
  await assert.rejects(repairKeys(), /The relay that holds the stream takes no repairs/);
  assert.deepEqual(done, ["ask 0 for 2", "cancelled at 0"]);
});

Deno.test("repair() throws the error that ended the relay that it has started", async () => {
  const relay: Relay = { isRunning: false, failure: new Error("history is lost") };
  await assert.rejects(repairing(relay).repairKeys(), /history is lost/);
});

Deno.test("repair() waits for a started relay for longer than a short --settle", async () => {
  const relay: Relay = { isRunning: false, idlePolls: 20, onStart: () => relay.isRunning = true };
  await repairing(relay).repairKeys();
});

Deno.test("repair() requests 1,000 keys at a time", async () => {
  const keys = Array.from({ length: 2_500 }, (_, at) => ({ oid: String(at), id: undefined }));
  const { repairKeys, done } = repairing({ isRunning: true, takes: [1_000] });
  await repairKeys(keys);
  assert.deepEqual(done, ["ask 0 for 1000", "ask 0 for 1000", "ask 0 for 500"]);
});

Deno.test("ownRelay() starts one relay, and stops it in the end", async () => {
  const done: string[] = [];
  {
    await using relay = ownRelay(async (signal, onStarted) => {
      done.push("runs");
      onStarted();
      await new Promise((stop) => signal.addEventListener("abort", stop));
      done.push("stops");
    }, QUIET);
    await relay.start();
    await relay.start();
  }
  assert.deepEqual(done, ["runs", "stops"]);
});

Deno.test("ownRelay() throws the error of a relay that fails before it starts, and can start again", async () => {
  let runs = 0;
  await using relay = ownRelay(() => Promise.reject(new Error(`fails ${++runs}`)), QUIET);
  await assert.rejects(relay.start(), /fails 1/);
  await assert.rejects(relay.start(), /fails 2/);
  assert.match(String(relay.failure()), /fails 2/);
});

Deno.test("ownRelay() logs an error of the relay after the repairs, but not the end that it asked for", async () => {
  const lines: string[] = [];
  const log = createLogger({ format: "text", level: "warn", write: (line) => lines.push(line) });
  for (const failure of [new Error("lease lost"), undefined]) {
    await using relay = ownRelay(async (signal, onStarted) => {
      onStarted();
      await new Promise((stop) => signal.addEventListener("abort", stop));
      throw failure ?? signal.reason;
    }, log);
    await relay.start();
  }
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? "", /The relay that was started for repairs has failed because="?lease lost/);
});
