import assert from "node:assert/strict";
import { fc } from "../deps.ts";
import { keyText } from "../../lib/key/key_text.ts";
import { type Raw, raw, valueOf } from "../support/raw_bson.ts";
import { runs } from "../support/nightly.ts";

/** A value, and a text by which MongoDB distinguishes it. */
interface Identified {
  readonly identity: string;
  readonly value: Raw;
}

const id = Uint8Array.from({ length: 12 }, () => 0x11);

/** Each row: values that MongoDB holds equal. Different rows are different keys. */
const CLASSES: readonly (readonly Raw[])[] = [
  [raw.int32(0), raw.int64(0n), raw.double(0), raw.double(-0), raw.decimal("0"), raw.decimal("-0.00")],
  [raw.int32(1), raw.int64(1n), raw.double(1), raw.decimal("1"), raw.decimal("1.0"), raw.decimal("10E-1")],
  [raw.int64(2n ** 53n), raw.double(2 ** 53), raw.decimal("9007199254740992")],
  [raw.int64(2n ** 53n + 1n), raw.decimal("9007199254740993")],
  [raw.int64(2n ** 63n - 1n)],
  [raw.double(2 ** 63), raw.decimal("9223372036854775808")],
  [raw.double(0.5), raw.decimal("0.5"), raw.decimal("0.50")],
  [raw.double(0.1)],
  [raw.decimal("0.1")],
  [raw.double(1e-7)],
  [raw.decimal("1E-7")],
  [raw.double(NaN), raw.decimal("NaN")],
  [raw.double(Infinity), raw.decimal("Infinity")],
  [raw.double(-Infinity), raw.decimal("-Infinity")],
  ...["", "a", "0", "1", "0.5", "NaN", "Infinity", "true", "null", "1".repeat(24), '"a"', '"1"', "{}", "[]"]
    .map((text) => [raw.string(text), raw.symbol(text)]),
  [raw.string('{"$numberDecimal":"0.1"}')],
  [raw.string('{"$date":{"$numberLong":"0"}}')],
  [raw.objectId(id)],
  [raw.boolean(true)],
  [raw.boolean(false)],
  [raw.null()],
  [raw.date(0n)],
  [raw.date(1n)],
  [raw.date(2n ** 62n)],
  [raw.date(2n ** 62n + 1n)],
  [raw.timestamp(0, 1)],
  [raw.timestamp(1, 0)],
  [raw.binary(new Uint8Array(16))],
  [raw.binary(new Uint8Array(16), 3)],
  [raw.binary(new Uint8Array(16), 4)],
  [raw.code("a")],
  [raw.minKey()],
  [raw.maxKey()],
];

const scalar: fc.Arbitrary<Identified> = fc.oneof(
  ...CLASSES.map((values, index) =>
    fc.constantFrom(...values).map((value) => ({ identity: String(index), value }))
  ),
);

const entries = (value: fc.Arbitrary<Identified>) =>
  fc.array(fc.tuple(fc.constantFrom("a", "b", "0", "1"), value), { minLength: 1, maxLength: 3 });

const key: fc.Arbitrary<Identified> = fc.letrec<{ key: Identified; object: Identified }>((tie) => ({
  key: fc.oneof({ maxDepth: 2 }, scalar, tie("object")),
  object: entries(tie("key")).map((members) => ({
    identity: `{${members.map(([name, { identity }]) => `${name}:${identity}`).join()}}`,
    value: raw.document(members.map(([name, { value }]) => [name, value])),
  })),
})).key;

/** The same key in another spelling, if one exists. */
const sameRow = fc.oneof(
  ...CLASSES.map((values, index) =>
    fc.tuple(fc.constantFrom(...values), fc.constantFrom(...values)).map((pair) =>
      pair.map((value) => ({ identity: String(index), value }))
    )
  ),
);
const nestedAlike = fc.tuple(sameRow, fc.boolean()).map(([pair, nested]) =>
  nested
    ? pair.map(({ identity, value }) => ({
      identity: `{a:${identity}}`,
      value: raw.document([["a", value]]),
    }))
    : pair
);

/** Two values of one row; two at random; the members of an object and the same in another order. */
const pairs = fc.oneof(
  nestedAlike,
  fc.tuple(key, key),
  entries(key).map((members) =>
    [members, members.toReversed()].map((each) => ({
      identity: each.map(([name, { identity }]) => `${name}:${identity}`).join(),
      value: raw.document(each.map(([name, { value }]) => [name, value])),
    }))
  ),
);

Deno.test("keyText() is equal exactly if the keys are equal in MongoDB", () => {
  fc.assert(
    fc.property(pairs, ([one, other]) => {
      assert.ok(one && other);
      const [text, otherText] = [keyText(valueOf(one.value)), keyText(valueOf(other.value))];
      assert.equal(
        text === otherText,
        one.identity === other.identity,
        `${one.identity} → ${text}, ${other.identity} → ${otherText}`,
      );
    }),
    runs(3_000),
  );
});
