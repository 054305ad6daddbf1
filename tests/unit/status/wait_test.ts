import assert from "node:assert/strict";
import { BSON } from "mongodb";
import { bytesToHex } from "../../../lib/bson/bson.ts";
import { CRATEDB } from "../../../lib/sink/sql/dialect.ts";
import type { Transport } from "../../../lib/sink/connection/transport.ts";
import { type LogFields, QUIET } from "../../../lib/util/log.ts";
import { waitFor, waitJson, waitText } from "../../../lib/status/wait.ts";

const AT = new BSON.Timestamp({ t: 1_700_000_000, i: 3 });
const hex = (count: number) => count.toString(16).toUpperCase().padStart(8, "0");
/** A token after everything of a second. */
const tokenAt = (t: number) => bytesToHex(BSON.serialize({ _data: `82${hex(t)}${hex(9)}2B0229296E04` }));

interface Position {
  readonly t: number;
  readonly isHeld: boolean;
}

/** Waits for a minute on a server whose positions are these after so many milliseconds. */
async function run(positionsAfter: (ms: number) => Readonly<Record<string, Position>>, wanted?: string) {
  const startedAt = 1_000_000;
  const sent: { readonly at: number; readonly sql: string }[] = [];
  const waits: number[] = [];
  const warned: unknown[] = [];
  const log = { ...QUIET, warn: (_: string, fields: LogFields = {}) => void warned.push(fields.stream) };
  let now = startedAt;
  const transport: Transport = {
    dialect: CRATEDB,
    query: (sql) => {
      sent.push({ at: now - startedAt, sql });
      const rows = /information_schema/.test(sql)
        ? [["doc", "cdc_position"]]
        : /CURRENT_USER/.test(sql)
        ? [["reader", false]]
        : /FROM "doc"."cdc_position"/.test(sql)
        ? Object.entries(positionsAfter(now - startedAt)).map((
          [stream, { t, isHeld }],
        ) => [stream, tokenAt(t), null, null, 0, isHeld])
        : [];
      return Promise.resolve({ count: 0, rows });
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const clock = {
    now: () => now,
    monotonic: () => now,
    wait: (ms: number) => {
      waits.push(ms);
      now += ms;
      return Promise.resolve();
    },
  };
  const waited = await waitFor(
    transport,
    { at: AT, until: startedAt + 60_000, schema: "doc", wanted },
    { clock, signal: new AbortController().signal, log },
  );
  const searches = sent.filter(({ sql }) => /information_schema/.test(sql)).map(({ at }) => at);
  return { waited, searches, waits, warned, took: now - startedAt };
}

const position = (t: number, isHeld = true): Position => ({ t, isHeld });
const [BEFORE, AFTER] = [AT.t - 1, AT.t + 1];

Deno.test("waitFor() returns when all streams show everything", async () => {
  const { waited, took } = await run((ms) => ({
    a: position(AFTER),
    b: position(ms < 1_000 ? BEFORE : AFTER),
  }));
  assert.deepEqual(waited.streams.map(({ outcome }) => outcome), ["shown", "shown"]);
  assert.ok(took >= 1_000 && took <= 1_500, `${took}`);
});

Deno.test("waitFor() looks every 500 ms at most, and rarely searches for tables", async () => {
  const { waits, searches } = await run(() => ({ a: position(BEFORE) }));
  assert.deepEqual(waits.slice(0, 6), [50, 100, 200, 400, 500, 500]);
  assert.ok(Math.max(...waits) === 500 && waits.length < 130, `${waits.length}`);
  assert.ok(searches.length <= 13, searches.join(" "));
});

Deno.test("waitFor() distinguishes a stream that is behind from one that no relay follows", async () => {
  const { waited, warned, took } = await run(() => ({
    a: position(BEFORE),
    b: position(BEFORE, false),
    "c (worker 0/2)": position(AFTER),
  }));
  assert.equal(took, 60_000);
  assert.deepEqual(waited.streams, [
    { stream: "a", outcome: "behind" },
    { stream: "b", outcome: "not followed" },
    { stream: "c (worker 0/2)", outcome: "shown" },
    { stream: "c (worker 1/2)", outcome: "not followed" },
  ]);
  assert.deepEqual(warned, ["b", "c (worker 1/2)"], "once, at the first look");
});

Deno.test("waitFor() of an unknown name lists the streams that exist", async () => {
  const { waited } = await run(() => ({ a: position(BEFORE) }), "b");
  assert.deepEqual(waited.streams, []);
  assert.deepEqual(waited.absence.slice(0, 3), [
    "The user reader sees no stream of this name: b",
    "These exist:",
    "  a",
  ]);
});

const SHOWN = { stream: "a", outcome: "shown" } as const;
const WAITED = { at: AT, streams: [SHOWN], absence: [] };

Deno.test("waitText() is a line for each stream, or the reason why none was found", () => {
  const streams = [{ stream: "b", outcome: "behind" }, { stream: "c", outcome: "not followed" }] as const;
  const texts = [WAITED, { ...WAITED, streams }, { ...WAITED, streams: [], absence: ["No stream …"] }]
    .map((each) => waitText(each, 1_200));
  const time = "2023-11-14T22:13:20.000Z (3)";
  assert.deepEqual(texts, [
    `a shows everything up to ${time}, after 1.2 s`,
    `b does not show everything up to ${time}, after 1.2 s\n` +
    `c does not show everything up to ${time}, and no relay follows it, after 1.2 s`,
    "No stream …",
  ]);
});

Deno.test("waitJson() is one line with times in ISO 8601 and numbers with their units", () => {
  assert.deepEqual(JSON.parse(waitJson(WAITED, 1_200.4)), {
    outcome: "shown",
    cluster_time: "2023-11-14T22:13:20.000Z",
    operation_time: "1700000000:3",
    duration_ms: 1_200,
    streams: [SHOWN],
  });
  assert.equal(JSON.parse(waitJson({ ...WAITED, streams: [] }, 1)).outcome, "no stream");
});
