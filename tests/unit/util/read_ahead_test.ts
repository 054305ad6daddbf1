import assert from "node:assert/strict";
import { readAhead } from "../../../lib/util/read_ahead.ts";

Deno.test("readAhead() asks for the next value while one is used, and not for more", async () => {
  const asked: number[] = [];
  async function* source() {
    for (const value of [1, 2, 3, 4]) {
      asked.push(value);
      yield await Promise.resolve(value);
    }
  }
  const values = readAhead(source());
  assert.equal((await values.next()).value, 1);
  assert.deepEqual(asked, [1, 2]);
  assert.deepEqual(await Array.fromAsync(values), [2, 3, 4]);
});

Deno.test("readAhead() throws an error in its turn", async () => {
  async function* source() {
    yield await Promise.resolve(1);
    throw new Error("broken");
  }
  const seen: number[] = [];
  await assert.rejects(async () => {
    for await (const value of readAhead(source())) seen.push(value);
  }, /broken/);
  assert.deepEqual(seen, [1]);
});

Deno.test("readAhead() ends its source when it is left early", async () => {
  let ended = false;
  async function* source() {
    try {
      yield await Promise.resolve(1);
      yield await Promise.resolve(2);
    } finally {
      ended = true;
    }
  }
  for await (const _ of readAhead(source())) break;
  assert.ok(ended);
});
