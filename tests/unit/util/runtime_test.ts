import assert from "node:assert/strict";
import { runtimeOf, tooOld } from "../../../lib/util/runtime.ts";

const OLD = [
  { deno: "1.46.3" },
  { deno: "2.0.0", node: "30.0.0" },
  { deno: "2.8.10" },
  { deno: "2.8.0-rc.1" },
  { node: "20.20.2" },
  { node: "4.9.1" },
];
const NEW = [
  { deno: "2.9.0", node: "20.0.0" },
  { deno: "2.9.6" },
  { deno: "2.9.0+1a2b3c" },
  { deno: "2.10.0" },
  { deno: "3.0.0-rc.0" },
  { node: "22.0.0" },
  { node: "26.10.0" },
];

for (const versions of OLD) {
  Deno.test(`tooOld() ${JSON.stringify(versions)}`, () => {
    assert.match(tooOld(runtimeOf(versions)) ?? "", /^(?:Deno 2\.9|Node\.js 22) or newer is needed/);
  });
}

for (const versions of NEW) {
  Deno.test(`tooOld() not ${JSON.stringify(versions)}`, () => {
    assert.equal(tooOld(runtimeOf(versions)), undefined);
  });
}

Deno.test("the README asks for the same versions", async () => {
  const readme = await Deno.readTextFile(new URL("../../../README.md", import.meta.url));
  for (const old of [{ deno: "0.0.0" }, { node: "0.0.0" }]) {
    const runtime = runtimeOf(old);
    const [, told = ""] = new RegExp(`${RegExp.escape(runtime.name)} (\\S+) or newer`).exec(readme) ?? [];
    assert.ok(tooOld(runtime)?.startsWith(`${runtime.name} ${told} or newer`), `${runtime.name} ${told}`);
  }
});
