import assert from "node:assert/strict";
import { withAgain } from "../../../lib/pipeline/snapshot.ts";

const namespace = { database: "shop", collection: "b" };
const state = { from: null, last: null, sweep: false, copied: 0, again: [] };
const [one, other] = [namespace, { database: "shop", collection: "c" }];

const CASES: readonly (readonly [string, object | null, object])[] = [
  ["nothing", null, { ...state, again: [one] }],
  ["one before it", { ...state, from: "shop.a", last: "00" }, { ...state, from: "shop.a", last: "00" }],
  ["it itself", { ...state, from: "shop.b", last: "00" }, { ...state, from: "shop.b" }],
  ["one after it", { ...state, from: "shop.c", last: "00" }, {
    ...state,
    from: "shop.c",
    last: "00",
    again: [one],
  }],
  ["it itself once more", { ...state, last: "00", again: [one, other] }, { ...state, again: [other, one] }],
  ["another once more", { ...state, last: "00", again: [other, one] }, {
    ...state,
    last: "00",
    again: [other, one],
  }],
];

for (const [what, saved, expected] of CASES) {
  Deno.test(`withAgain() leaves a collection to be copied when what is copied is ${what}`, () => {
    assert.deepEqual(JSON.parse(withAgain(saved && JSON.stringify(saved), namespace)), expected);
  });
}
