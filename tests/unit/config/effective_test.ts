import assert from "node:assert/strict";
import { settingsIn } from "../../../lib/config/effective.ts";
import { PROCESS } from "../../../lib/config/options.ts";
import { RELAY, reloadOf } from "../../../lib/config/relay_options.ts";

const ALL = { ...RELAY, ...PROCESS };

/** Flags, texts, and the one text that all of them have. */
const SAME: readonly (readonly [string, readonly string[], string])[] = [
  ["lease", ["10s", "10000", "10000ms"], "10s"],
  ["save-interval", ["1500ms", "1.5s"], "1500ms"],
  ["retry-for", ["1h", "60m", "3600s"], "1h"],
  ["retry-for", ["forever"], "forever"],
  ["max-memory", ["1GiB", "1024mib", "1073741824"], "1GiB"],
  ["batch-bytes", ["1000"], "1000"],
  ["batch-size", ["7", "007"], "7"],
  ["exclude", ["a,b", " a , b "], "a,b"],
  ["filter", ['{"a": 1}', '{ "a" : {"$numberInt": "1"} }'], '{"a":1}'],
  ["cratedb-url", ["crate://me:hush@db"], "crate://me:***@db"],
  ["cratedb-jwt", ["eyJh.eyJi.aHVzaA"], "***"],
];

for (const [flag, texts, expected] of SAME) {
  Deno.test(`--${flag} ${texts.join(" or ")} is shown as ${expected}`, () => {
    for (const each of texts) {
      const shown = settingsIn(ALL, { flags: { [flag]: each } }).filter(({ origin }) =>
        origin === `--${flag}`
      );
      assert.deepEqual(shown.map(({ text }) => text), [expected]);
    }
  });
}

const RELOADS: Readonly<Record<string, readonly string[]>> = {
  "live": ["snapshotRate", "logLevel", "maxLag", "refreshInterval", "saveInterval"],
  "from now on": ["omit", "onDrop"],
  "snapshot": ["filter", "only", "pipeline", "columns", "key"],
  "restart": [
    "mongodbUrl",
    "cratedbUrl",
    "listen",
    "lease",
    "database",
    "collection",
    "exclude",
    "maxMemory",
    "table",
  ],
};

for (const [reload, names] of Object.entries(RELOADS)) {
  Deno.test(`a changed setting may be ${reload}`, () => {
    assert.ok(names.every((name) => name in ALL));
    assert.deepEqual(names.map(reloadOf), names.map(() => reload));
  });
}
