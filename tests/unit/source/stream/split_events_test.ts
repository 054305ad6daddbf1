import assert from "node:assert/strict";
import { BSON, type Document } from "mongodb";
import { type BsonValue, int32At } from "../../../../lib/bson/bson.ts";
import { type EventFields, eventFields } from "../../../../lib/source/stream/event.ts";
import { SplitEvents } from "../../../../lib/source/stream/split_events.ts";

const FIELDS = ["operationType", "ns", "to", "documentKey", "fullDocument"] as const;

const event = (document: Document) => eventFields(BSON.serialize(document));
const fragment = (number: number, of: number, document: Document) =>
  event({ ...document, splitEvent: { fragment: number, of } });

const numberOf = (value: BsonValue): number => int32At(value.bytes, value.offset);

/** The fields of a whole event that are numbers. */
const numbers = (whole: EventFields | undefined): Record<string, number> =>
  Object.fromEntries(
    Object.entries(whole ?? {}).flatMap(([name, value]) =>
      value && name !== "splitEvent" ? [[name, numberOf(value)]] : []
    ),
  );

Deno.test("SplitEvents.join() gives an event that is whole as it is", () => {
  const split = new SplitEvents();
  const whole = event({ ns: 1 });
  assert.equal(split.join(whole), whole);
  assert.equal(split.incomplete, false);
});

for (const  of of[1, 2, 3, 5]) {
  Deno.test(`SplitEvents.join() puts ${of} fragments together, and has the last one's token`, () => {
    const split = new SplitEvents();
    for (let number = 1; number < of; number++) {
      assert.equal(
        split.join(fragment(number, of, { _id: number, [FIELDS[number - 1] ?? ""]: number })),
        undefined,
      );
      assert.equal(split.incomplete, true);
    }
    const whole = split.join(fragment(of, of, { _id: of, [FIELDS[of - 1] ?? ""]: of }));
    assert.equal(split.incomplete, false);
    const all = FIELDS.slice(0, of).map((name, index) => [name, index + 1]);
    assert.deepEqual(numbers(whole), { _id: of, ...Object.fromEntries(all) });
  });
}

Deno.test("SplitEvents.join() begins anew at a first fragment", () => {
  const split = new SplitEvents();
  split.join(fragment(1, 2, { to: 1 }));
  split.join(fragment(1, 2, { ns: 1 }));
  assert.deepEqual(numbers(split.join(fragment(2, 2, { documentKey: 2 }))), { ns: 1, documentKey: 2 });
});

Deno.test("SplitEvents.join() keeps nothing of one event for the next", () => {
  const split = new SplitEvents();
  split.join(fragment(1, 2, { ns: 1 }));
  split.join(fragment(2, 2, { documentKey: 2 }));
  split.join(fragment(1, 2, { ns: 3 }));
  assert.deepEqual(numbers(split.join(fragment(2, 2, { fullDocument: 4 }))), { ns: 3, fullDocument: 4 });
  assert.deepEqual(numbers(split.join(event({ to: 5 }))), { to: 5 });
});
