import assert from "node:assert/strict";
import { BSON, type Document } from "mongodb";
import { type BsonValue, fieldsByName, int32At } from "../../../lib/bson/bson.ts";
import { SplitEvents } from "../../../lib/source/split_events.ts";

const event = (document: Document) => fieldsByName(BSON.serialize(document));
const fragment = (number: number, of: number, document: Document) =>
  event({ ...document, splitEvent: { fragment: number, of } });

const numberOf = (value: BsonValue | undefined): number | undefined =>
  value && int32At(value.bytes, value.offset);

/** The fields of a whole event that are numbers. */
const numbers = (whole: ReadonlyMap<string, BsonValue> | undefined): Record<string, number | undefined> =>
  Object.fromEntries(
    [...whole ?? []].filter(([name]) => name !== "splitEvent").map((
      [name, value],
    ) => [name, numberOf(value)]),
  );

Deno.test("SplitEvents.join() gives an event that is whole as it is", () => {
  const split = new SplitEvents();
  const whole = event({ a: 1 });
  assert.equal(split.join(whole), whole);
  assert.equal(split.incomplete, false);
});

for (const  of of[1, 2, 3, 5]) {
  Deno.test(`SplitEvents.join() puts ${of} fragments together, and has the last one's token`, () => {
    const split = new SplitEvents();
    for (let number = 1; number < of; number++) {
      assert.equal(split.join(fragment(number, of, { _id: number, [`f${number}`]: number })), undefined);
      assert.equal(split.incomplete, true);
    }
    const whole = split.join(fragment(of, of, { _id: of, [`f${of}`]: of }));
    assert.equal(split.incomplete, false);
    const all = Array.from({ length: of }, (_, index) => [`f${index + 1}`, index + 1]);
    assert.deepEqual(numbers(whole), { _id: of, ...Object.fromEntries(all) });
  });
}

Deno.test("SplitEvents.join() begins anew at a first fragment", () => {
  const split = new SplitEvents();
  split.join(fragment(1, 2, { old: 1 }));
  split.join(fragment(1, 2, { a: 1 }));
  assert.deepEqual(numbers(split.join(fragment(2, 2, { b: 2 }))), { a: 1, b: 2 });
});

Deno.test("SplitEvents.join() keeps nothing of one event for the next", () => {
  const split = new SplitEvents();
  split.join(fragment(1, 2, { a: 1 }));
  split.join(fragment(2, 2, { b: 2 }));
  split.join(fragment(1, 2, { c: 3 }));
  assert.deepEqual(numbers(split.join(fragment(2, 2, { d: 4 }))), { c: 3, d: 4 });
  assert.deepEqual(numbers(split.join(event({ e: 5 }))), { e: 5 });
});
