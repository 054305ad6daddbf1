import assert from "node:assert/strict";
import {
  createLogger,
  LOG_FORMATS,
  LOG_LEVELS,
  type LogFields,
  type LogFormat,
  type LogLevel,
  peopleField,
  unfailing,
  worded,
} from "../../../lib/util/log.ts";

/** In a zone an hour ahead of UTC. */
const NOON = Object.assign(new Date("2026-01-31T11:34:56Z"), { getTimezoneOffset: () => -60 });
const TIME = "2026-01-31T12:34:56+01:00";

function logged(format: LogFormat, message: string, fields?: LogFields): string {
  const lines: string[] = [];
  createLogger({ format, level: "debug", write: (line) => lines.push(line), now: () => NOON }).info(
    message,
    fields,
  );
  assert.equal(lines.length, 1);
  return lines[0] ?? "";
}

const TEXT: readonly (readonly [string, string, LogFields | undefined, string])[] = [
  ["a message alone", "Ready", undefined, "Ready"],
  ["fields", "batch written", { rows: 500, table: "doc.t" }, "batch written rows=500 table=doc.t"],
  [
    "numbers with their units",
    "m",
    { lag_ms: 41_037, duration_s: 0.5, rate_per_s: 9 },
    'm lag="41 s" duration="500 ms" rate=9/s',
  ],
  ["text with spaces", "m", { stream: "a -> b" }, 'm stream="a -> b"'],
  ["text with quotes", "m", { key: '"x"' }, 'm key="\\"x\\""'],
  ["the empty text", "m", { key: "" }, 'm key=""'],
  ["several lines in one", "one\n  two\r\nthree", { key: "a\nb" }, 'one two three key="a\\nb"'],
  [
    "what a terminal would obey",
    "\x1b[2Jm\x07",
    { key: "\x1b[2J", other: "\x9b2J" },
    String.raw`\u001b[2Jm\u0007 key="\u001b[2J" other="\u009b2J"`,
  ],
  ["a field without a value", "m", { key: undefined, other: null }, "m other=null"],
  ["a BigInt", "m", { key: 2n ** 63n }, "m key=9223372036854775808"],
  ["an error", "m", { error: new Error("went wrong") }, 'm error="went wrong"'],
  [
    "a URL with a password",
    "at mongodb://root:pw@host/",
    { url: "crate://me:pw@host" },
    "at mongodb://root:***@host/ url=crate://me:***@host",
  ],
];

for (const [what, message, fields, expected] of TEXT) {
  Deno.test(`createLogger() text: ${what}`, () =>
    assert.equal(logged("text", message, fields), `${TIME} INFO  ${expected}`));
}

const JSON_LINES: readonly (readonly [string, LogFields, LogFields])[] = [
  ["fields", { rows: 500, table: "doc.t" }, { rows: 500, table: "doc.t" }],
  ["numbers with their units", { lag_ms: 41_037, rate_per_s: 9 }, { lag_ms: 41_037, rate_per_s: 9 }],
  ["line ends and quotes", { key: 'a\n"b"' }, { key: 'a\n"b"' }],
  ["a BigInt", { key: 2n ** 63n }, { key: "9223372036854775808" }],
  ["an error", { error: new Error("went wrong") }, { error: "went wrong" }],
  ["a URL with a password", { url: "crate://me:pw@host" }, { url: "crate://me:***@host" }],
  ["a web token", { because: "not eyJhIjox.eyJiIjoy.c2ln, but" }, { because: "not ***, but" }],
  ["a URL and fields after it", { url: "crate://host:4200", mail: "a@b" }, {
    url: "crate://host:4200",
    mail: "a@b",
  }],
  [
    "a URL and an object after it",
    { url: "crate://host:4200", user: { mail: "a@b" } },
    { url: "crate://host:4200", user: { mail: "a@b" } },
  ],
  ["fields named like the line's own", { level: "x", message: "y" }, {}],
];

for (const [what, fields, expected] of JSON_LINES) {
  Deno.test(`createLogger() json: ${what}`, () => {
    assert.deepEqual(JSON.parse(logged("json", "m", fields)), {
      ...expected,
      time: NOON.toISOString(),
      level: "info",
      message: "m",
    });
  });
}

Deno.test("createLogger() json: time, level and message are first", () =>
  assert.deepEqual(Object.keys(JSON.parse(logged("json", "m", { rows: 1 }))), [
    "time",
    "level",
    "message",
    "rows",
  ]));

for (
  const [offset, expected] of [
    [0, "2026-01-31T11:34:56Z"],
    [-330, "2026-01-31T17:04:56+05:30"],
    [210, "2026-01-31T08:04:56-03:30"],
  ] as const
) {
  Deno.test(`createLogger() text: the local time of a zone ${-offset} minutes from UTC`, () => {
    const now = Object.assign(new Date(NOON), { getTimezoneOffset: () => offset });
    let line = "";
    createLogger({ format: "text", level: "info", write: (text) => line = text, now: () => now }).info("m");
    assert.equal(line, `${expected} INFO  m`);
  });
}

for (const [lowest, level] of LOG_LEVELS.entries()) {
  Deno.test(`createLogger() with level ${level} drops what is below`, () => {
    const lines: string[] = [];
    const log = createLogger({ format: "json", level, write: (line) => lines.push(JSON.parse(line).level) });
    for (const each of LOG_LEVELS) log[each]("m");
    assert.deepEqual(lines, LOG_LEVELS.slice(lowest));
  });
}

const COLOURED: readonly (readonly [LogLevel, string])[] = [
  ["debug", `\x1b[2m${TIME}\x1b[22m \x1b[2mDEBUG\x1b[22m m key=1`],
  ["info", `\x1b[2m${TIME}\x1b[22m INFO  m key=1`],
  ["warn", `\x1b[2m${TIME}\x1b[22m \x1b[33mWARN \x1b[39m m key=1`],
  ["error", `\x1b[2m${TIME}\x1b[22m \x1b[31mERROR\x1b[39m m key=1`],
];

for (const [level, expected] of COLOURED) {
  Deno.test(`createLogger() colours ${level} on request, JSON never`, () => {
    for (const format of LOG_FORMATS) {
      const lines: string[] = [];
      const write = (line: string) => lines.push(line);
      createLogger({ format, level, colour: true, write, now: () => NOON })[level]("m", { key: 1 });
      if (format === "text") assert.deepEqual(lines, [expected]);
      else assert.equal(JSON.parse(lines[0] ?? "").level, level);
    }
  });
}

Deno.test("a line that cannot be written is dropped", () => {
  const refuse = () => {
    throw new Error("ENOSPC: no space left on device");
  };
  const circular: Record<string, unknown> = {};
  circular.self = circular;
  createLogger({ format: "json", level: "info", write: refuse }).info("Ready");
  createLogger({ format: "json", level: "info", write: () => {} }).info("Ready", circular);
  unfailing({ debug: refuse, info: refuse, warn: refuse, error: refuse }).warn("Ready");
});

const FIELDS: readonly (readonly [name: string, value: unknown, expected: readonly [string, unknown]])[] = [
  ["lag_ms", 41_037, ["lag", "41 s"]],
  ["duration_s", 0.25, ["duration", "250 ms"]],
  ["rate_per_s", 100, ["rate", "100/s"]],
  ["rows", 5, ["rows", 5]],
  ["items", 5, ["items", 5]],
  ["lag_ms", null, ["lag_ms", null]],
  ["left_ms", Infinity, ["left_ms", Infinity]],
  ["names_ms", "text", ["names_ms", "text"]],
];

for (const [name, value, expected] of FIELDS) {
  Deno.test(`peopleField() of ${name}=${value} is ${expected.join("=")}`, () =>
    assert.deepEqual(peopleField(name, value), expected));
}

Deno.test("worded() changes messages and texts, and no other fields", () => {
  const lines: Record<string, unknown>[] = [];
  const log = createLogger({ format: "json", level: "info", write: (line) => lines.push(JSON.parse(line)) });
  worded(log, (text) => text.replace("URL", "relay.yaml:3")).warn("URL failed", {
    hint: "Check URL",
    tries: 2,
  });
  const [{ level, message, hint, tries } = {}] = lines;
  assert.deepEqual([level, message, hint, tries], ["warn", "relay.yaml:3 failed", "Check relay.yaml:3", 2]);
});
