import assert from "node:assert/strict";
import { tooOld } from "../../../lib/cli/deno_version.ts";

const OLD = ["1.46.3", "2.0.0", "2.8.10", "2.8.0-rc.1"];
const NEW = ["2.9.0", "2.9.6", "2.9.0+1a2b3c", "2.10.0", "3.0.0", "3.0.0-rc.0"];

for (const version of OLD) {
  Deno.test(`tooOld() ${version}`, () => assert.match(tooOld(version) ?? "", /Deno 2\.9 or newer is needed/));
}

for (const version of NEW) {
  Deno.test(`tooOld() not ${version}`, () => assert.equal(tooOld(version), undefined));
}

Deno.test("the README asks for the same version", async () => {
  const readme = await Deno.readTextFile(new URL("../../../README.md", import.meta.url));
  const [, told = ""] = /Deno (\S+) or newer/.exec(readme) ?? [];
  assert.ok(tooOld("0.0.0")?.startsWith(`Deno ${told} or newer`));
});
