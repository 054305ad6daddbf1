import assert from "node:assert/strict";
import { lettersVerb } from "../../../../lib/pipeline/control/letters_verb.ts";
import { repairVerb } from "../../../../lib/pipeline/control/repair_verb.ts";
import { snapshotVerb } from "../../../../lib/pipeline/control/snapshot_verb.ts";
import { RefusedError, type Verb } from "../../../../lib/pipeline/control/verb.ts";
import { readArguments } from "../../../../lib/pipeline/control/verb_arguments.ts";
import { rebuildVerb } from "../../../../lib/status/rebuild_verb.ts";
import { verifyVerb } from "../../../../lib/verify/verify_verb.ts";

Deno.test("readArguments() reads each argument, takes null for none, and knows defaults", () => {
  assert.deepEqual(readArguments("letters", { collection: "shop.a.b", oid: null }), {
    action: "list",
    collection: { database: "shop", collection: "a.b" },
    oid: undefined,
  });
  assert.deepEqual(readArguments("letters", { oid: "1,2" }).oid, ["1", "2"]);
  assert.equal(readArguments("stop", {}).at, "now");
  assert.equal(readArguments("verify", { collection: "shop.a", repair: true }).repair, true);
});

const collection = "shop.orders";

const REFUSED: Readonly<Record<string, readonly [Verb, Readonly<Record<string, unknown>>, RegExp]>> = {
  "an argument with another name": [snapshotVerb, { collection, filtr: {} }, /^Unknown argument: filtr\.$/],
  "no collection": [snapshotVerb, {}, /^collection is not the name of a collection .*: none is given$/],
  "a collection without a database": [
    verifyVerb,
    { collection: "orders" },
    /^collection is not .*: "orders"$/,
  ],
  "a collection that is no text": [rebuildVerb, { collection: 7 }, /^collection is not .*: 7$/],
  "a filter that is a list": [snapshotVerb, { collection, filter: [] }, /^filter is not a query/],
  "a filter that is no JSON": [snapshotVerb, { collection, filter: "{" }, /^filter is not Extended JSON/],
  "a rate below 0": [
    snapshotVerb,
    { collection, filter: {}, rate: -1 },
    /^rate is no whole number/,
  ],
  "a rate without a filter": [snapshotVerb, { collection, rate: 5 }, /^rate needs a filter\.$/],
  "a repair that is a text": [verifyVerb, { collection, repair: "yes" }, /^repair is not true or false/],
  "letters with another action": [
    lettersVerb,
    { action: "burn" },
    /^action is not one of list, show, retry, discard/,
  ],
  "keys that are no list": [lettersVerb, { action: "retry", oid: [] }, /^oid is not a list of texts: \[\]$/],
  "letters to discard without a choice": [
    lettersVerb,
    { action: "discard" },
    /^discard needs a collection or/,
  ],
  "a repair of nothing": [repairVerb, { collection, keys: [] }, /^keys is not a list of keys/],
  "a key that is null": [repairVerb, { collection, keys: [null] }, /^keys has a key without "oid"/],
  "an id that is not hex": [
    repairVerb,
    { collection, keys: [{ oid: "1", id: "x" }] },
    /^keys has an id that/,
  ],
};

for (const [what, [verb, given, message]] of Object.entries(REFUSED)) {
  Deno.test(`verbs refuse ${what}`, () => {
    assert.throws(() => verb.read(given), (error) => {
      assert.ok(error instanceof RefusedError);
      assert.match(error.message, message);
      return true;
    });
  });
}
