import assert from "node:assert/strict";
import { BSON } from "mongodb";
import { type BsonValue, fieldsByName } from "../../../../lib/bson/bson.ts";
import { keyText } from "../../../../lib/key/key_text.ts";
import { type Namespace, namespaceText } from "../../../../lib/util/namespace.ts";
import { RequestedRepairs } from "../../../../lib/pipeline/collections/repair.ts";
import type { RepairRequest } from "../../../../lib/sink/metadata/repair_requests.ts";
import { QUIET } from "../../../../lib/util/log.ts";

const ORDERS: Namespace = { database: "shop", collection: "orders" };

const idOf = (value: unknown): BsonValue => {
  const id = fieldsByName(BSON.serialize({ _id: value })).get("_id");
  assert.ok(id);
  return id;
};

const request = (value: unknown, namespace = ORDERS): RepairRequest => {
  const id = idOf(value);
  return { namespace, oid: keyText(id), id };
};

/** A relay whose collection has documents of these keys, and requests that wait for it. */
function repairing(
  there: readonly string[],
  waiting: RepairRequest[][],
  isOwn: (oid: string) => boolean = () => true,
  isSkipped = false,
) {
  const done: string[] = [];
  const clock = { time: 0, monotonic: () => clock.time };
  const applier = {
    shardKey: [],
    keyOf: ({ id }: { id: BsonValue }) => keyText(id),
    apply: (states: readonly { id: BsonValue }[]) => {
      done.push(`write ${states.map(({ id }) => keyText(id))}`);
      return Promise.resolve(states.length);
    },
    remove: (oids: readonly string[]) => Promise.resolve(void done.push(`remove ${oids}`)),
  };
  const repairs = new RequestedRepairs({
    reader: {
      async *lookUp(_, ids) {
        yield await Promise.resolve(
          ids.map((id) => ({
            id,
            document: there.includes(keyText(id)) ? BSON.serialize({ _id: keyText(id) }) : null,
          })),
        );
      },
      keysAmong: (_, keys) => Promise.resolve([...keys].filter((key) => there.includes(key))),
    },
    tables: {
      of: () => Promise.resolve(applier as never),
      attempt: async (_, work) => !isSkipped && (await work(), true),
    },
    requests: {
      list: () => {
        done.push("look");
        return Promise.resolve(waiting.shift() ?? []);
      },
      remove: (namespace, keys) =>
        Promise.resolve(
          void done.push(`done with ${keys.map(({ oid }) => oid)} of ${namespaceText(namespace)}`),
        ),
    },
    share: {
      among: (_, keys) => Promise.resolve(keys.filter((key) => isOwn((key as unknown as RepairRequest).oid))),
    },
    scope: { includes: ({ database }) => database === "shop" },
    clock,
    log: QUIET,
  });
  return { repairs, done, clock };
}

Deno.test("RequestedRepairs writes what is there, removes what is not, and then takes the requests away", async () => {
  const { repairs, done } = repairing(["1", "hashed"], [[
    request(1),
    request(2),
    { namespace: ORDERS, oid: "hashed", id: undefined },
    { namespace: ORDERS, oid: "1.0", id: undefined },
  ]]);
  assert.equal(await repairs.runIfDue(), true);
  assert.deepEqual(done, ["look", "write 1", "remove 2,1.0", "done with 1,2,hashed,1.0 of shop.orders"]);
});

Deno.test("RequestedRepairs looks for requests once a second at most", async () => {
  const { repairs, done, clock } = repairing([], []);
  for (let at = 0; at < 30; at++) {
    assert.equal(await repairs.runIfDue(), false);
    clock.time += 100;
  }
  assert.deepEqual(done, ["look", "look", "look"]);
});

Deno.test("RequestedRepairs goes on at once where there may be more", async () => {
  const { repairs, done } = repairing([], [Array.from({ length: 1_000 }, (_, at) => request(at)), [
    request(1_000),
  ]]);
  assert.equal(await repairs.runIfDue(), true);
  assert.equal(await repairs.runIfDue(), true);
  assert.equal(await repairs.runIfDue(), false);
  assert.equal(done.filter((each) => each === "look").length, 2);
});

Deno.test("RequestedRepairs writes nothing of collections that the relay does not follow", async () => {
  const { repairs, done } = repairing([], [[request(1, { database: "other", collection: "orders" })]]);
  assert.equal(await repairs.runIfDue(), false);
  assert.deepEqual(done, ["look", "done with 1 of other.orders"]);
});

Deno.test("RequestedRepairs skips keys of other relays", async () => {
  const { repairs, done } = repairing(
    ["1", "2"],
    [[request(1), request(2), request(3)]],
    (oid) => oid === "1",
  );
  assert.equal(await repairs.runIfDue(), true);
  assert.deepEqual(done, ["look", "write 1", "remove ", "done with 1,2,3 of shop.orders"]);
});

Deno.test("RequestedRepairs removes requests for a skipped collection: it is read again as a whole", async () => {
  const { repairs, done } = repairing(["1"], [[request(1)]], undefined, true);
  assert.equal(await repairs.runIfDue(), false);
  assert.deepEqual(done, ["look", "done with 1 of shop.orders"]);
});
