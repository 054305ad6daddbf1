import assert from "node:assert/strict";
import { isWell, redrawn, status, type StatusSettings, statusText } from "../../../lib/status/status.ts";
import { parseSinkUrl, type SinkAddress } from "../../../lib/sink/connection/url.ts";
import { SinkError } from "../../../lib/sink/connection/sink_error.ts";
import { STATUS_FIELDS, type StreamStatus } from "../../../lib/sink/metadata/status_view.ts";
import { CRATEDB } from "../../../lib/sink/sql/dialect.ts";
import { QUIET } from "../../../lib/util/log.ts";
import { fakeClock } from "../../support/fake_clock.ts";

const NOW = Date.parse("2026-01-31T12:00:00Z");
const STATUS: StreamStatus = {
  schema: "doc",
  stream: "shop.* -> shop.{collection}",
  state: "ok",
  phase: "following",
  lag_ms: 25,
  cluster_time: "2026-01-31T11:59:59.975Z",
  snapshot_done: null,
  snapshot_total: null,
  events: 100,
  rows: 90,
  overflowed: 0,
  dead_letters: 0,
  failed_collections: 0,
  oplog_headroom_s: 7_200,
  last_error: null,
  owner: "host/1/ab",
  version: "0.1.0",
  reported_at: "2026-01-31T11:59:58.500Z",
  saved_at: "2026-01-31T11:59:58.500Z",
  collections: [],
};
/** As a relay of version 0.1.0 leaves it. */
const OLD: StreamStatus = {
  ...STATUS,
  stream: "old.data -> doc.data",
  state: "no sign of life",
  phase: null,
  lag_ms: 600_000,
  cluster_time: null,
  events: null,
  rows: null,
  overflowed: null,
  oplog_headroom_s: null,
  version: null,
  reported_at: null,
};
const FORGET = "forget --stream NAME removes the metadata of a stream that is no longer needed.";
const OPTIONS = { width: 200, now: NOW, maxLag: 60_000 };

Deno.test("statusText() has a row for each stream", () => {
  assert.deepEqual(statusText([STATUS], OPTIONS), [
    "stream                       state  phase      lag    events  rows  dead letters  oplog  reported",
    "shop.* -> shop.{collection}  ok     following  25 ms  100     90    0             2 h    1.5 s ago",
  ]);
});

Deno.test("statusText() leaves out what an older version does not report", () => {
  assert.deepEqual(statusText([OLD], OPTIONS), [
    "stream                state            lag     dead letters",
    "old.data -> doc.data  no sign of life  10 min  0",
    "old.data -> doc.data: No relay has reported.",
    "  Check that cdc-relay runs, and reaches CrateDB.",
    FORGET,
  ]);
});

Deno.test("statusText() shows a snapshot, and what has failed below", () => {
  const failed: StreamStatus = {
    ...STATUS,
    state: "failed",
    phase: "failed",
    snapshot_done: 3,
    snapshot_total: 9,
    last_error: "a\nb",
  };
  const [, row = "", error] = statusText([failed], OPTIONS);
  assert.match(row, / failed .* 3 of 9 /);
  assert.equal(error, "shop.* -> shop.{collection}: The stream has ended: a b.");
});

Deno.test("statusText() fits the width", () => {
  const lines = statusText([{ ...STATUS, last_error: "x".repeat(300) }, OLD], { ...OPTIONS, width: 80 });
  for (const line of lines) assert.ok(line.length <= 80, line);
});

Deno.test("statusText() names the way to be rid of a stream that no relay follows", () => {
  const stopped: StreamStatus = { ...STATUS, state: "stopped", phase: "stopped" };
  assert.equal(
    statusText([STATUS, stopped], OPTIONS).at(-1),
    FORGET,
  );
  assert.equal(statusText([STATUS], OPTIONS).length, 2);
});

Deno.test("isWell() is true if a stream exists and all are ok", () => {
  assert.equal(isWell([STATUS, STATUS]), true);
  for (const wrong of [[], [OLD], [STATUS, OLD]]) assert.equal(isWell(wrong), false);
});

Deno.test("redrawn() erases the lines that were printed last", () => {
  assert.equal(redrawn("a\nb", 0), "a\nb");
  assert.equal(redrawn("a", 2), "\x1b[2A\x1b[Ja");
});

Deno.test("statusText() shows names and states whole in 80 columns, and leaves other columns out", () => {
  const snapshot = {
    ...STATUS,
    stream: "warehouse.* -> warehouse.{collection}",
    state: "failed collections",
    snapshot_done: 14_185,
    snapshot_total: 150_000,
  } satisfies StreamStatus;
  const [header = "", first = "", second = ""] = statusText([STATUS, snapshot], { ...OPTIONS, width: 80 });
  assert.equal(header, "stream                                 state               lag    dead letters");
  assert.equal(first, "shop.* -> shop.{collection}            ok                  25 ms  0");
  assert.equal(second, "warehouse.* -> warehouse.{collection}  failed collections  25 ms  0");
});

Deno.test("statusText() lists failed and paused collections with reasons and hints", () => {
  const of = (collection: string, state: string, reason: string | null, hint: string | null = null) => ({
    collection: `shop.${collection}`,
    table: null,
    state,
    reason,
    hint,
    rows: 0,
    documents: 0,
    since: "2026-01-31T11:59:58.500Z",
    dead_letters: 0,
    verified: null,
    verified_to: null,
  });
  const collections = [
    of("a", "failed", "it is a\nview", "Drop it"),
    of("b", "following", null),
    of("c", "paused", null),
  ];
  const failed: StreamStatus = {
    ...STATUS,
    state: "failed collections",
    last_error: "shop.a failed",
    collections,
  };
  assert.deepEqual(statusText([failed], OPTIONS).slice(2), [
    "shop.* -> shop.{collection}: shop.a failed: it is a view.",
    "  Drop it. Then ctl snapshot shop.a reads it again; the relay tries within a minute.",
    "shop.* -> shop.{collection}: shop.c is paused: its changes are skipped.",
    "  ctl snapshot shop.c reads it again.",
  ]);
});

/** Reads the streams of a file with these CrateDBs, of which those named `silent` do not answer. Ends after the second text. */
async function read(
  hosts: readonly [string, ...string[]],
  change: Partial<StatusSettings> = {},
  columns?: number,
) {
  const settingsOf = (each: string): StatusSettings => {
    const [host, token] = each.split(" ");
    const sink = { ...parseSinkUrl(`crate://${host}`), ...token && { jwt: () => token } };
    return ({
      sink,
      streamIn: undefined,
      maxLag: 60_000,
      output: "text",
      runs: "once",
      ...change,
    });
  };
  const opened: SinkAddress[] = [];
  const [first, ...others] = hosts;
  const texts: string[] = [];
  const warnings: string[] = [];
  const row = STATUS_FIELDS.map((name) =>
    /_(?:at|time)$/.test(name) ? Date.parse(`${STATUS[name]}`) : STATUS[name]
  );
  const tables = ["cdc_position", "cdc_collection", "cdc_dead_letter"].map((name) => ["doc", name]);
  const clock = fakeClock();
  const isWell = await status([settingsOf(first), ...others.map(settingsOf)], {
    signal: new AbortController().signal,
    clock: { ...clock, now: () => NOW, wait: () => Promise.resolve() },
    log: { ...QUIET, warn: (message) => void warnings.push(message) },
    columns,
    print: (text) => texts.push(text) < 2,
    open: (sink) => {
      opened.push(sink);
      return sink.host === "silent"
        ? Promise.reject(new SinkError("connect ECONNREFUSED", { code: "ECONNREFUSED" }))
        : Promise.resolve({
          dialect: CRATEDB,
          query: (sql) => {
            const isList = sql.includes("information_schema.tables");
            const rows = isList ? tables : /lag_ms/.test(sql) ? [row] : [];
            return Promise.resolve({ count: rows.length, rows });
          },
          async [Symbol.asyncDispose]() {},
        });
    },
  });
  return { isWell, texts, warnings, tokens: opened.map(({ jwt }) => jwt?.()) };
}

for (const runs of ["once", "forever"] as const) {
  Deno.test(`status() ${runs} shows the streams of the CrateDB that answers, and why others are missing`, async () => {
    const { isWell, texts } = await read(["answers", "silent"], { runs });
    assert.equal(isWell, false);
    assert.equal(texts.length, runs === "once" ? 1 : 2);
    for (const text of texts) {
      assert.match(text, /^shop\.\* -> shop\.\{collection\} +ok/m);
      assert.match(text, /^The streams at silent:4200 are missing: .*ECONNREFUSED\n./m);
    }
    assert.equal((await read(["answers", "other"])).isWell, true);
  });
}

Deno.test("status() prints JSON of the streams that it has, and logs why others are missing", async () => {
  const { isWell, texts, warnings } = await read(["silent", "answers"], { output: "json" });
  assert.equal(isWell, false);
  assert.deepEqual(JSON.parse(texts[0] ?? "").map(({ state }: StreamStatus) => state), ["ok"]);
  assert.match(warnings[0] ?? "", /^The streams at silent:4200 are missing/);
});

Deno.test("status() erases all lines of a terminal that the text before it has, also those of a wrapped line", async () => {
  const { texts: [first = "", second = ""] } = await read(["answers", "silent"], { runs: "forever" }, 40);
  const lines = first.split("\n").flatMap((line) => line.match(/.{1,40}/g) ?? [""]);
  assert.ok(lines.length > first.split("\n").length);
  assert.equal(second, `\x1b[${lines.length}A\x1b[J${first}`);
});

Deno.test("status() reads each stream with its own token", async () => {
  const { tokens } = await read(["answers one", "answers other", "answers one"]);
  assert.deepEqual(tokens, ["one", "other"]);
});

Deno.test("status() fails if no CrateDB answers, also at the start of many", async () => {
  for (const runs of ["once", "forever"] as const) {
    await assert.rejects(read(["silent", "silent"], { runs }), { code: "ECONNREFUSED" });
  }
});
