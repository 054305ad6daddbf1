import assert from "node:assert/strict";
import { WritePace } from "../../../../lib/sink/connection/write_pace.ts";
import { fakeClock } from "../../../support/fake_clock.ts";

const MOST = { statementRows: 2_500, statementBytes: 2 ** 21, inFlight: 4 };
const ROW_BYTES = 120;

const limitsOf = ({ statementRows, statementBytes, inFlight }: WritePace) => ({
  statementRows,
  statementBytes,
  inFlight,
});

function paceOf() {
  const clock = fakeClock(0);
  const pace = new WritePace(MOST, clock);
  const refuse = () => pace.refused(clock.time);
  const answer = (took: number, rows = 2_500, bytes = rows * ROW_BYTES) => {
    const began = clock.time;
    clock.pass(took);
    pace.answered({ began, rows, bytes });
  };
  return { clock, pace, refuse, answer };
}

interface Server {
  /** Milliseconds for a row, if it is the only statement. */
  readonly rowMs: (now: number) => number;
  /** The rows in progress above which a statement is refused. */
  readonly mostRows?: number;
}

/** Writes as much as the pace allows, to a server whose latency grows with what is in progress. */
function simulate(
  pace: WritePace,
  clock: { time: number },
  { rowMs, mostRows = Infinity }: Server,
  until: number,
) {
  const running: { readonly began: number; readonly rows: number; readonly ends: number }[] = [];
  const seen = { rows: 0, refusals: 0, longest: 0, statements: [] as number[] };
  while (clock.time < until) {
    while (running.length < pace.inFlight) {
      const rows = pace.statementRows;
      const load = running.reduce((sum, each) => sum + each.rows, rows);
      const isRefused = load > mostRows;
      const ends = clock.time + 5 + (isRefused ? 100 : load * rowMs(clock.time));
      running.push({ began: clock.time, rows: isRefused ? 0 : rows, ends });
    }
    running.sort((one, other) => one.ends - other.ends);
    const done = running.shift();
    assert.ok(done);
    const { began, rows, ends } = done;
    clock.time = Math.max(clock.time, ends);
    if (rows === 0) {
      seen.refusals++;
      pace.refused(began);
      continue;
    }
    seen.rows += rows;
    seen.longest = Math.max(seen.longest, clock.time - began);
    seen.statements.push(rows);
    pace.answered({ began, rows, bytes: rows * ROW_BYTES });
  }
  return seen;
}

Deno.test("WritePace begins with the limits, and keeps them while the server answers promptly", () => {
  const { clock, pace } = paceOf();
  assert.deepEqual(limitsOf(pace), MOST);
  const { statements } = simulate(pace, clock, { rowMs: () => 0.08 }, 60_000);
  assert.ok(statements.length > 100);
  assert.deepEqual(new Set(statements), new Set([MOST.statementRows]));
  assert.deepEqual(limitsOf(pace), MOST);
});

Deno.test("WritePace halves the limits at a refusal, and counts statements that were in flight together once", () => {
  const { clock, pace } = paceOf();
  const began = clock.time;
  clock.pass(50);
  for (const _ of [1, 2, 3, 4]) pace.refused(began);
  assert.deepEqual(limitsOf(pace), { statementRows: 1_250, statementBytes: 2 ** 20, inFlight: 2 });
  clock.pass(1);
  pace.refused(clock.time);
  assert.equal(pace.inFlight, 1);
  assert.equal(pace.statementRows, 625);
});

Deno.test("WritePace rises slowly after a refusal, and has forgotten it after 8 s", () => {
  const { pace, refuse, answer, clock } = paceOf();
  refuse();
  const seen = Array.from({ length: 9 }, () => {
    const { statementRows, inFlight } = pace;
    for (let count = 0; count < 10; count++) {
      clock.pass(100);
      answer(0);
    }
    return [statementRows, inFlight];
  });
  assert.deepEqual(seen, [
    [1_250, 2],
    [1_407, 3],
    [1_563, 3],
    [1_719, 3],
    [1_875, 3],
    [2_032, 4],
    [2_188, 4],
    [2_344, 4],
    [2_500, 4],
  ]);
});

Deno.test("WritePace always leaves something, and has forgotten all after an idle time of 16 s", () => {
  const { clock, pace, answer } = paceOf();
  for (let count = 0; count < 50; count++) {
    clock.pass(1);
    pace.refused(clock.time);
  }
  assert.deepEqual(limitsOf(pace), { statementRows: 79, statementBytes: 2 ** 16, inFlight: 1 });
  clock.pass(16_000);
  answer(0, 1);
  assert.deepEqual(limitsOf(pace), MOST);
  const single = new WritePace({ statementRows: 1, statementBytes: 1, inFlight: 1 }, clock);
  single.refused(clock.time);
  assert.deepEqual(limitsOf(single), { statementRows: 1, statementBytes: 1, inFlight: 1 });
});

Deno.test("WritePace finds what a server with little memory takes, with few refusals", () => {
  const { clock, pace } = paceOf();
  const { rows, refusals, statements } = simulate(
    pace,
    clock,
    { rowMs: () => 0.08, mostRows: 1_500 },
    120_000,
  );
  // Refused once in about 5 s.
  assert.ok(refusals <= 60, `${refusals} refusals`);
  const mean = rows / statements.length;
  assert.ok(mean > 300 && mean <= 1_500, `${mean} rows in a statement`);
});

Deno.test("WritePace shortens statements to a server that has become slow, and recovers with it", () => {
  const { clock, pace } = paceOf();
  const rowMs = (now: number) => now > 10_000 && now < 100_000 ? 2 : 0.08;
  simulate(pace, clock, { rowMs }, 40_000);
  const slow = simulate(pace, clock, { rowMs }, 100_000);
  assert.ok(slow.longest < 5_000, `a statement took ${slow.longest} ms`);
  assert.ok(slow.longest > 500, "and not less than needed");
  simulate(pace, clock, { rowMs }, 130_000);
  assert.deepEqual(limitsOf(pace), MOST);
});

Deno.test("WritePace compares the time for a row with the best one lately", () => {
  const { pace, answer, clock } = paceOf();
  answer(20, 1_000);
  answer(400, 1_000);
  assert.equal(pace.inFlight, 4, "400 ms disturb nobody");
  answer(600, 1_000);
  assert.equal(pace.statementRows, 1_875);
  clock.pass(60_000);
  answer(600, 1_000);
  assert.equal(pace.statementRows, 2_500, "the best one is forgotten after a while");
});

Deno.test("WritePace rises the less, the longer answers take", () => {
  const [prompt, late] = [10, 2_700].map((took) => {
    const { pace, refuse, answer } = paceOf();
    refuse();
    for (let time = 0; time < 5_400; time += took) answer(took, 1);
    return pace.statementRows;
  });
  assert.ok(prompt && prompt > 2_000, `${prompt}`);
  assert.ok(late && late < 1_400, `${late}`);
});

Deno.test("WritePace takes neither a small statement nor a large row for a slow server", () => {
  const { pace, answer } = paceOf();
  answer(20, 1_000);
  answer(700, 1);
  answer(9_000, 1, 15_000_000);
  assert.deepEqual(limitsOf(pace), MOST);
  answer(3_000, 1);
  assert.equal(pace.inFlight, 3);
});

Deno.test("WritePace judges large rows by their bytes", () => {
  const { pace, answer } = paceOf();
  answer(250, 2_500);
  answer(900, 20, 2_000_000);
  assert.deepEqual(limitsOf(pace), MOST);
});
