import assert from "node:assert/strict";
import { jsonBytes } from "../../../lib/util/json_writer.ts";
import { jsonText, parseJson } from "../../../lib/util/lossless_json.ts";
import {
  escapeName,
  escapeNames,
  mayNeedEscaping,
  unescapeName,
  unescapeNames,
} from "../../../lib/mapping/escape_name.ts";

const NAMES: readonly (readonly [name: string, escaped: string])[] = [
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

for (const [name, escaped] of NAMES) {
  Deno.test(`escapeName() of ${JSON.stringify(name)}, and back`, () => {
    assert.equal(escapeName(name), escaped);
    assert.equal(unescapeName(escaped), name);
    assert.ok(escapeName(name) === name || mayNeedEscaping(jsonBytes(JSON.stringify({ [name]: 1 }))));
  });
}

for (const name of ["#u:%zz", "#u:%", "#u:x", "#u:%F0%9F%98%80%"]) {
  Deno.test(`unescapeName() leaves ${name}, which escapeName() makes of nothing`, () => {
    assert.equal(unescapeName(name), name);
  });
}

Deno.test("escapeNames() leaves names of digits at the first level, goes through arrays, and has an inverse", () => {
  const json = '{"1":{"2":[[{"_u_x":{"3":4}}]],"b":"5"},"_u_y":1,"#1":{"😀":"😀"},"😀":2,"#u:":3}';
  const escaped = '{"1":{"#2":[[{"#_u_x":{"#3":4}}]],"b":"5"},"_u_y":1,"#1":{"#u:%F0%9F%98%80":"😀"},' +
    '"#u:%F0%9F%98%80":2,"##u:":3}';
  assert.equal(jsonText(escapeNames(parseJson(json))), escaped);
  assert.equal(jsonText(unescapeNames(parseJson(escaped))), json);
});

Deno.test("mayNeedEscaping() takes texts of many emoji and of megabytes", () => {
  for (const text of ["😀".repeat(200_000), `😀${"x".repeat(15_000_000)}`]) {
    assert.equal(mayNeedEscaping(jsonBytes(JSON.stringify({ t: text }))), true);
  }
});
