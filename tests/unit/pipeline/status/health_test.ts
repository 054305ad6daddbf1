import assert from "node:assert/strict";
import { healthOf } from "../../../../lib/pipeline/status/health.ts";
import { columnsOf, type RelayStatus } from "../../../../lib/pipeline/status/relay_status.ts";
import { STATES } from "../../../../lib/sink/metadata/status_view.ts";
import { statusOf } from "../../../support/status_of.ts";

const NOW = 1_800_000_000_000;
const HOUR = 3_600_000;

type Given = Parameters<typeof healthOf>;

const seen = (
  status: Partial<RelayStatus>,
  { deadLetters = 0, ...more }: Partial<Given[0] & Given[1]> & { deadLetters?: number } = {},
): Given => [{
  ...columnsOf(statusOf({ clusterTime: NOW, ...status })),
  dead_letters: deadLetters,
  owner: "host/1/ab",
  reported_at: new Date(NOW).toISOString(),
  collections: [],
  ...more,
}, { maxLag: 60_000, ...more }];

const collection = (state: string, verified: string | null = null) => ({
  collection: "shop.lines",
  state,
  reason: "it is a view",
  hint: "Drop it",
  verified,
});

const SENTENCES: readonly (readonly [sentence: string, given: Given])[] = [
  ["Following: no change is waiting", seen({})],
  ["Following: 25 ms behind MongoDB", seen({ lag: 25 })],
  ["Following: the lag is not known yet", seen({ lag: null })],
  ["Catching up: 12 s behind MongoDB", seen({ phase: "catching up", lag: 12_000 })],
  [
    "Taking a snapshot: 45 % of 150,000 documents, about 4 min left",
    seen({ phase: "snapshot", snapshotDone: 67_500, snapshotTotal: 150_000 }, { snapshotLeft: 240_000 }),
  ],
  ["Taking a snapshot: 0 % of 0 documents", seen({ phase: "snapshot", snapshotDone: 0, snapshotTotal: 0 })],
  ["Standing by: host/1/ab follows this stream", seen({ phase: "standby" })],
  [
    "Paused (maintenance): 90 s behind MongoDB",
    seen({ phase: "paused", lag: 90_000 }, { pausedFor: "maintenance" }),
  ],
  ["Waiting for MongoDB: the tables are 30 s old", seen({ phase: "waiting for MongoDB", lag: 30_000 })],
];
for (const [sentence, given] of SENTENCES) {
  Deno.test(`healthOf() says: ${sentence}`, () => assert.equal(healthOf(...given).sentence, sentence));
}

/** As the view `cdc_status` orders them. */
const PROBLEMS: Readonly<Record<string, Given>> = {
  failed: seen({ phase: "failed", lastError: "no" }),
  stopped: seen({ phase: "stopped" }),
  "no sign of life": seen({ phase: "waiting for MongoDB", lag: 61_000 }, { state: "no sign of life" }),
  "waiting for CrateDB": seen({ phase: "waiting for CrateDB", lastError: "refused", oplogHeadroom: HOUR }),
  "oplog nearly passed": seen({ oplogHeadroom: HOUR, clusterTime: NOW - 10 * HOUR }),
  paused: seen({ phase: "paused" }),
  "far behind": seen({ phase: "catching up", lag: 61_000 }),
  "failed collections": seen({}, { collections: [collection("failed")] }),
  "dead letters": seen({}, { deadLetters: 3 }),
};
for (const [state, given] of Object.entries(PROBLEMS)) {
  Deno.test(`healthOf() says what to do: ${state}`, () => {
    const { state: found, warnings } = healthOf(...given);
    assert.equal(found, state);
    assert.equal(warnings.length, 1);
    for (const { text, hint } of warnings) {
      assert.match(`${text} ${hint}`, /^[A-Za-z0-9].*\. [A-Z0-9a-z].*\.$/);
    }
  });
}

Deno.test("healthOf() counts dead letters", () => {
  const texts = [1, 1_200].map((deadLetters) => healthOf(...seen({}, { deadLetters })).warnings[0]?.text);
  assert.deepEqual(texts, ["1 document could not be stored.", "1,200 documents could not be stored."]);
});

Deno.test("healthOf() has the first problem in the order of the view, and warns of all", () => {
  const letters = seen({}, { collections: [collection("failed")], deadLetters: 3 });
  assert.deepEqual([healthOf(...letters).state, healthOf(...letters).warnings.length], [
    "failed collections",
    2,
  ]);
  const order = Object.keys(PROBLEMS).map((state) => STATES.indexOf(state as typeof STATES[number]));
  assert.deepEqual(order, order.toSorted((one, other) => one - other));
});

Deno.test("healthOf() warns of a collection that differed, which is no problem of the stream", () => {
  const { state, warnings: [warning] } = healthOf(
    ...seen({}, { collections: [collection("following", "different")] }),
  );
  assert.equal(state, "ok");
  assert.match(warning?.hint ?? "", /verify shop.lines --repair/);
});

Deno.test("healthOf() says until when a MongoDB that is away costs nothing", () => {
  const { warnings: [warning] } = healthOf(
    ...seen({ phase: "waiting for MongoDB", lastError: "refused", oplogHeadroom: HOUR }),
  );
  assert.match(warning?.text ?? "", /^MongoDB does not answer: refused\.?$/);
  assert.match(warning?.hint ?? "", /Nothing is lost.*another 60 min/);
});

Deno.test("healthOf() lists ten collections of a kind", () => {
  const many = Array.from({ length: 12 }, () => collection("failed"));
  const { warnings } = healthOf(...seen({}, { collections: many }));
  assert.deepEqual([warnings.length, warnings.at(-1)?.text], [11, "2 more collections are like these."]);
});

Deno.test("healthOf() has texts of one line", () => {
  const { warnings: [warning] } = healthOf(...seen({ phase: "failed", lastError: "a\n  b" }));
  assert.equal(warning?.text, "The stream has ended: a b.");
});
