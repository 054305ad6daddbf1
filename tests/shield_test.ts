import assert from "node:assert/strict";
import { jsonText, parseJson } from "../lib/row/lossless_json.ts";
import { mayBeUnsteady, shield, shieldAll, unshield, unshieldAll } from "../lib/row/shield.ts";

const NAMES: readonly (readonly [name: string, shielded: string])[] = [
  ["1", "#1"],
  ["1042", "#1042"],
  ["#1", "##1"],
  ["##1", "###1"],
  ["_u_", "#_u_"],
  ["_u_x", "#_u_x"],
  ["#_u_x", "##_u_x"],
  ["0", "0"],
  ["01", "01"],
  ["1a", "1a"],
  ["#", "#"],
  ["#a", "#a"],
  ["_u", "_u"],
  ["a_u_", "a_u_"],
  ["", ""],
  ["😀", "#u:%F0%9F%98%80"],
  ["a😀%é", "#u:a%F0%9F%98%80%25é"],
  ["_u_😀", "#u:_u_%F0%9F%98%80"],
  ['1😀"', '#u:1%F0%9F%98%80"'],
  ["#u:😀", "#u:#u:%F0%9F%98%80"],
  ["#u:%F0%9F%98%80", "##u:%F0%9F%98%80"],
  ["##u:x", "###u:x"],
  ["u:x", "u:x"],
  ["é日本%", "é日本%"],
];

for (const [name, shielded] of NAMES) {
  Deno.test(`shield() of ${JSON.stringify(name)}, and back`, () => {
    assert.equal(shield(name), shielded);
    assert.equal(unshield(shielded), name);
    assert.ok(shield(name) === name || mayBeUnsteady(JSON.stringify({ [name]: 1 })));
  });
}

for (const name of ["#u:%zz", "#u:%", "#u:x", "#u:%F0%9F%98%80%"]) {
  Deno.test(`unshield() leaves ${name}, which shield() makes of nothing`, () => {
    assert.equal(unshield(name), name);
  });
}

Deno.test("shieldAll() leaves names of digits at the first level, goes through arrays, and has an inverse", () => {
  const json = '{"1":{"2":[[{"_u_x":{"3":4}}]],"b":"5"},"_u_y":1,"#1":{"😀":"😀"},"😀":2,"#u:":3}';
  const shielded = '{"1":{"#2":[[{"#_u_x":{"#3":4}}]],"b":"5"},"_u_y":1,"#1":{"#u:%F0%9F%98%80":"😀"},' +
    '"#u:%F0%9F%98%80":2,"##u:":3}';
  assert.equal(jsonText(shieldAll(parseJson(json))), shielded);
  assert.equal(jsonText(unshieldAll(parseJson(shielded))), json);
});

Deno.test("mayBeUnsteady() takes texts of many emoji and of megabytes", () => {
  for (const text of ["😀".repeat(200_000), `😀${"x".repeat(15_000_000)}`]) {
    assert.equal(mayBeUnsteady(JSON.stringify({ t: text })), true);
  }
});
