import assert from "node:assert/strict";
import { grouped } from "../../../lib/util/grouped.ts";

const weightOf = (text: string): number => text.length;

Deno.test("grouped() fills groups in order, up to a count and a weight", () => {
  const groups = [...grouped(["a", "bb", "cccc", "d", "e", "f"], { count: 2, weight: 3, weightOf })];
  assert.deepEqual(groups, [["a", "bb"], ["cccc"], ["d", "e"], ["f"]]);
  assert.deepEqual([...grouped([], { count: 2, weight: 3, weightOf })], []);
});
