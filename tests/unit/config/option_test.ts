import assert from "node:assert/strict";
import { flagOf, type OptionTable, switchesOf, variablesOf } from "../../../lib/config/option.ts";
import { grouped, OPTIONS } from "../../../lib/config/options.ts";
import { parse } from "../../../lib/config/parsers.ts";

for (const [command, table] of Object.entries<OptionTable>(OPTIONS)) {
  Deno.test(`${command} has flags and letters that are distinct, and different from help`, () => {
    const switches = switchesOf(table);
    assert.equal(new Set(["h", ...switches.map(({ letter }) => letter)]).size, switches.length + 1);
    const flags = [
      "help",
      ...Object.entries(table).flatMap(([name, { secret }]) =>
        secret ? [flagOf(name), `${flagOf(name)}-file`] : [flagOf(name)]
      ),
      ...switches.map(({ flag }) => flag),
    ];
    assert.equal(new Set(flags).size, flags.length);
  });

  Deno.test(`${command} has switches whose values are choices of their options`, () => {
    for (const { name, value } of switchesOf(table)) {
      assert.ok(table[name]?.choices?.includes(value), name);
    }
  });

  Deno.test(`${command} has defaults that their options accept`, () => {
    for (const [name, option] of Object.entries(table)) {
      assert.doesNotThrow(() => parse(option, option.default ?? ""), name);
    }
  });

  Deno.test(`${command} has each option under one heading`, () => {
    const names = grouped(table).flatMap(([, options]) => Object.keys(options));
    assert.deepEqual(names.sort(), Object.keys(table).sort());
  });
}

Deno.test("one variable is of one option of a command", () => {
  for (const table of Object.values<OptionTable>(OPTIONS)) {
    const variables = Object.entries(table).flatMap(([name, option]) => variablesOf(name, option));
    assert.equal(new Set(variables).size, variables.length);
  }
});

Deno.test("every option of cdc-relay is under a heading", () => {
  assert.deepEqual(grouped(OPTIONS["cdc-relay"]).map(([title]) => title), [
    "Streams",
    "Source (MongoDB)",
    "Target (CrateDB)",
    "Snapshot",
    "Rows",
    "Performance",
    "Operation",
    "Log",
  ]);
});
