import assert from "node:assert/strict";
import { streamKey } from "../../../lib/key/stream_name.ts";

/** Names of one stream. */
const ALIKE: readonly (readonly [string, ...string[]])[] = [
  ["shop.* -> {database}.{collection}"],
  ["shop.{orders,users} -> {database}.{collection}", "shop.{users,orders,users} -> {database}.{collection}"],
  ["{a,b}.{c,d} -> doc.t", "{b,a}.{c,d} -> doc.t", "{a,b}.{d,c} -> doc.t"],
  ["a.* -> {database}.{collection}", "{a,a}.* -> {database}.{collection}"],
  ["*.* without a,b.* -> doc.t", "*.* without b.*,a -> doc.t", "*.* without a,b.*,a -> doc.t"],
  ["a.{b,c} -> doc.t (worker 1/2)", "a.{c,b} -> doc.t (worker 1/2)"],
];

for (const [name, ...others] of ALIKE) {
  Deno.test(`streamKey() of ${name}`, () => {
    for (const each of [name, ...others]) assert.equal(streamKey(each), name);
  });
}

Deno.test("streamKey() keeps streams apart that list other names", () => {
  const names = ["a.{b,c} -> doc.t", "a.{b,d} -> doc.t", "a.{b,c} -> doc.u", "a.{b,c} without c -> doc.t"];
  assert.equal(new Set(names.map(streamKey)).size, names.length);
});
