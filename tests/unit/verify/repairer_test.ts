import assert from "node:assert/strict";
import { LeaseHeldError } from "../../../lib/sink/metadata/lease.ts";
import { Repairer, SharedRequests } from "../../../lib/verify/repairer.ts";

const KEYS = [{ oid: "a", id: undefined }, { oid: "b", id: undefined }];

interface Relay {
  isRunning: boolean;
  /** Whether it takes a request at each poll. */
  takes: boolean;
  /** Whether it takes all at once. @default {false} */
  takesAll?: boolean;
  /** What writing under its lease meets. */
  onLease?: () => void;
}

function repairing(relay: Relay) {
  const done: string[] = [];
  const clock = {
    time: 0,
    now: () => clock.time,
    monotonic: () => clock.time,
    wait: (ms: number) => Promise.resolve(void (clock.time += ms)),
  };
  let left = 0;
  const repairer = new Repairer({
    namespace: { database: "shop", collection: "orders" },
    relay: { isRunning: () => Promise.resolve(relay.isRunning) },
    requests: {
      add: (_, keys) => {
        left = keys.length;
        return Promise.resolve(void done.push(`ask for ${keys.map(({ oid }) => oid)}`));
      },
      left: () => Promise.resolve(relay.takesAll ? 0 : relay.takes ? --left : left),
      remove: () => Promise.resolve(void done.push("take back")),
    },
    repairHere: (keys) => {
      done.push(`write ${keys.map(({ oid }) => oid)}`);
      relay.onLease?.();
      return Promise.resolve();
    },
    settle: 1_000,
    clock,
    signal: new AbortController().signal,
  });
  return { repairer, done };
}

const held = () => {
  throw new LeaseHeldError("other", "follows this stream: shop.*");
};

Deno.test("Repairer asks a relay that runs", async () => {
  const { repairer, done } = repairing({ isRunning: true, takes: true });
  await repairer.repair(KEYS);
  assert.deepEqual(done, ["ask for a,b"]);
});

Deno.test("Repairer writes itself where no relay runs", async () => {
  const { repairer, done } = repairing({ isRunning: false, takes: false });
  await repairer.repair(KEYS);
  assert.deepEqual(done, ["write a,b"]);
});

Deno.test("Repairer takes its requests back from a relay that has died, and writes itself", async () => {
  const { repairer, done } = repairing({ isRunning: true, takes: false });
  await repairer.repair(KEYS);
  assert.deepEqual(done, ["ask for a,b", "take back", "write a,b"]);
});

Deno.test("Repairer asks a relay that has started meanwhile", async () => {
  const relay: Relay = {
    isRunning: false,
    takes: true,
    onLease: () => {
      relay.isRunning = true;
      held();
    },
  };
  const { repairer, done } = repairing(relay);
  await repairer.repair(KEYS);
  assert.deepEqual(done, ["write a,b", "ask for a,b"]);
});

Deno.test("Repairer writes nothing where a relay holds the lease and takes no requests", async () => {
  const { repairer, done } = repairing({ isRunning: true, takes: false, onLease: held });
  await assert.rejects(repairer.repair(KEYS), /The relay that holds the stream takes no repairs/);
  assert.deepEqual(done, ["ask for a,b", "take back", "write a,b", "ask for a,b", "take back"]);
});

Deno.test("Repairer asks a relay bit by bit, and writes itself all that is left", async () => {
  const keys = Array.from({ length: 2_500 }, (_, at) => ({ oid: String(at), id: undefined }));
  const counts = (done: readonly string[]) =>
    done.map((each) => each.replace(/\d+(?:,\d+)*/, (oids) => String(oids.split(",").length)));
  const asked = repairing({ isRunning: true, takes: true, takesAll: true });
  await asked.repairer.repair(keys);
  assert.deepEqual(counts(asked.done), ["ask for 1000", "ask for 1000", "ask for 500"]);
  const own = repairing({ isRunning: false, takes: false });
  await own.repairer.repair(keys);
  assert.deepEqual(counts(own.done), ["write 2500"]);
});

Deno.test("SharedRequests asks each relay, and is done when each has taken the requests", async () => {
  const asked: string[] = [];
  const requestsOf = (name: string, left: number) => ({
    add: () => Promise.resolve(void asked.push(`ask ${name}`)),
    left: () => Promise.resolve(left),
    remove: () => Promise.resolve(void asked.push(`take back from ${name}`)),
  });
  const namespace = { database: "shop", collection: "orders" };
  const requests = new SharedRequests([requestsOf("one", 0), requestsOf("two", 2)]);
  await requests.add(namespace, KEYS);
  assert.equal(await requests.left(namespace, KEYS), 2);
  await requests.remove(namespace, KEYS);
  assert.deepEqual(asked, ["ask one", "ask two", "take back from one", "take back from two"]);
});
