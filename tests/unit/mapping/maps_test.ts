import assert from "node:assert/strict";
import type { Column } from "../../../lib/mapping/column_tree.ts";
import type { Kind } from "../../../lib/mapping/column_types.ts";
import { recogniseMaps } from "../../../lib/mapping/column_shares.ts";

const of = (kind: Kind): Column => ({ kind });
const list = (element: Column): Column => ({ kind: "array", element });
const object = (children: Readonly<Record<string, Column>> = {}): Column => ({
  kind: "object",
  children: new Map(Object.entries(children)),
});
const withIds = (children: Readonly<Record<string, Column>> = {}): Column => ({
  ...object(children),
  hasIds: true,
});
const numbered = (count: number): Column =>
  object(Object.fromEntries(Array.from({ length: count }, (_, n) => [`u${n}`, of("bigint")])));

const ONE = "507f1f77bcf86cd799439011";
const OTHER = "507f191e810c19729de860ea";

/** What is wanted, what is there, and what is wanted once maps are recognised. */
const MAPS: readonly (readonly [string, Column, Column | undefined, Column])[] = [
  [
    "no ids",
    object({ a: of("text"), o: object({ b: of("text") }) }),
    object(),
    object({ a: of("text"), o: object({ b: of("text") }) }),
  ],
  ["a map", object({ likes: object({ [ONE]: of("bigint") }) }), object(), object({ likes: of("ignored") })],
  [
    "a map of objects",
    object({ users: object({ [ONE]: object({ name: of("text") }), [OTHER]: object() }) }),
    object(),
    object({ users: of("ignored") }),
  ],
  [
    "a map two levels deep, and others beside it",
    object({
      o: object({
        p: object({ m: object({ [ONE]: of("text") }), n: object({ [OTHER]: of("text") }), a: of("text") }),
      }),
    }),
    object(),
    object({ o: object({ p: object({ m: of("ignored"), n: of("ignored"), a: of("text") }) }) }),
  ],
  [
    "a map in an array of objects",
    object({ l: list(object({ m: object({ [ONE]: of("text") }), a: of("text") })) }),
    object(),
    object({ l: list(object({ m: of("ignored"), a: of("text") })) }),
  ],
  [
    "an array of maps",
    object({ l: list(object({ [ONE]: of("text") })) }),
    object(),
    object({ l: list(of("ignored")) }),
  ],
  [
    "ids among names",
    object({ likes: object({ total: of("bigint"), [ONE]: of("bigint") }) }),
    object(),
    object({ likes: withIds({ total: of("bigint") }) }),
  ],
  ["ids at the root", object({ [ONE]: of("bigint") }), object(), withIds()],
  [
    "an object that has a column",
    object({ likes: object({ [ONE]: of("bigint") }) }),
    object({ likes: object() }),
    object({ likes: withIds() }),
  ],
  [
    "ids that have columns",
    object({ likes: object({ [ONE]: object({ a: of("text") }), [OTHER]: of("bigint") }) }),
    object({ likes: object({ [ONE]: object() }) }),
    object({ likes: withIds({ [ONE]: object({ a: of("text") }) }) }),
  ],
  ["few numbered names", object({ o: numbered(100) }), object(), object({ o: numbered(100) })],
  ["many numbered names", object({ o: numbered(101) }), object(), object({ o: of("ignored") })],
  ["many numbered names at the root", numbered(101), object(), numbered(101)],
  [
    "many numbered names in an object that has a column",
    object({ o: numbered(101) }),
    object({ o: object() }),
    object({ o: numbered(101) }),
  ],
  ["an empty object", object({ o: object() }), object(), object({ o: object() })],
];

for (const [what, wanted, existing, expected] of MAPS) {
  Deno.test(`recogniseMaps() of ${what}`, () => assert.deepEqual(recogniseMaps(wanted, existing), expected));
}
