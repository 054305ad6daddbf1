/**
 * Decides which differences are real. While a relay runs, a row is a moment behind its document. So a key that differs is
 * compared again after the relay has passed the time of the first comparison. Each comparison is a generation. A key
 * differs if both sides are unchanged, or if no relay runs or makes progress. If one side has changed, the key is compared
 * again; if one changes in each generation, the key counts as changing. While the stream is paused, each key that differs
 * counts as changing.
 */
import type { RowKey } from "../key/document_key.ts";
import { Semaphore } from "../util/concurrency.ts";
import type { KeyDifference, Passing } from "./result.ts";

export interface Seen extends KeyDifference {
  readonly key: RowKey;
  /** Fingerprints of both sides; null for a missing one. */
  readonly document: string | null;
  readonly row: string | null;
  readonly isOverflowed: boolean;
  /** Whether the row has the values of the document, in another partition. */
  readonly isElsewhere: boolean;
}

interface SettleDeps {
  /** Waits until the relay has passed everything that was read from MongoDB. */
  readonly pass: () => Promise<Passing>;
  /** Compares the keys again. Returns those that differ. */
  readonly look: (keys: readonly RowKey[]) => Promise<readonly Seen[]>;
  readonly generations: number;
}

/** Compares keys until each one is equal, differs, or has changed in all generations. `relay` is undefined if nothing had to be waited for. */
export async function settle(candidates: readonly Seen[], { pass, look, generations }: SettleDeps) {
  const differing: Seen[] = [];
  let waiting = candidates;
  let relay: Passing | undefined;
  for (let generation = 0; generation < generations && waiting.length > 0; generation++) {
    relay = await pass();
    const before = new Map(waiting.map((each) => [each.oid, each]));
    const now = await look(waiting.map(({ key }) => key));
    const { real = [], changed = [] } = Object.groupBy(now, (each) => {
      const { document, row } = before.get(each.oid) ?? {};
      if (relay === "paused") return each.kind === "dead letter" ? "real" : "changed";
      return relay !== "passed" || each.document === document && each.row === row ? "real" : "changed";
    });
    differing.push(...real);
    waiting = changed;
    if (relay === "paused") break;
  }
  return { differing, changing: waiting, relay };
}

interface TallyDeps extends SettleDeps {
  /** Writes or deletes the rows of these keys; undefined to repair nothing. */
  readonly repair: ((keys: readonly RowKey[]) => Promise<void>) | undefined;
  readonly overflowed: (oids: readonly string[]) => Promise<number>;
}

/** Keys that are settled together. */
const LOT_KEYS = 5_000;
const MAX_DIFFERENCES = 20;

const LEAST_SETTLED_FIRST: readonly Passing[] = ["paused", "not running", "stalled", "passed"];

const lessSettled = (...found: readonly (Passing | undefined)[]): Passing | undefined =>
  LEAST_SETTLED_FIRST.find((each) => found.includes(each));

/** Counts the differences of one collection. Settles and repairs them in lots, so that memory is bounded. */
export function newTally(deps: TallyDeps) {
  const { repair, look, overflowed } = deps;
  const settling = new Semaphore(1);
  const counts = {
    missing: 0,
    extra: 0,
    different: 0,
    deadLetters: 0,
    changing: 0,
    repaired: 0,
    elsewhere: 0,
  };
  const differences: KeyDifference[] = [];
  /** Rows with overflow that the repair added, minus those that it removed. */
  let overflowedByRepair = 0;
  let waiting: Seen[] = [];
  let relay: Passing | undefined;

  async function settleLot(): Promise<void> {
    const lot = waiting;
    waiting = [];
    if (lot.length === 0) return;
    let { differing, changing, relay: passing } = await settle(lot, deps);
    const wrong = differing.filter(({ kind }) => kind !== "dead letter");
    if (repair && wrong.length > 0) {
      const keys = wrong.map(({ key }) => key);
      await repair(keys);
      const after = await settle(await look(keys), deps);
      overflowedByRepair += await newlyOverflowed(wrong, lot);
      counts.repaired += keys.length - after.differing.length - after.changing.length;
      differing = [...differing.filter(({ kind }) => kind === "dead letter"), ...after.differing];
      changing = [...changing, ...after.changing];
      // A relay runs now: it has repaired the rows.
      passing = after.relay ?? "passed";
    }
    relay = lessSettled(relay, passing);
    counts.changing += changing.length;
    for (const { oid, kind, paths, isElsewhere } of differing) {
      if (isElsewhere) counts.elsewhere++;
      counts[kind === "dead letter" ? "deadLetters" : kind]++;
      if (differences.length < MAX_DIFFERENCES) differences.push({ oid, kind, paths });
    }
  }

  /** `lot` has the keys as they were when rows with overflow were counted; extra rows were not counted. */
  async function newlyOverflowed(wrong: readonly Seen[], lot: readonly Seen[]): Promise<number> {
    const oids = new Set(wrong.filter(({ kind }) => kind !== "extra").map(({ oid }) => oid));
    const before = lot.filter((each) => oids.has(each.oid) && each.kind !== "extra" && each.isOverflowed);
    return await overflowed([...oids]) - before.length;
  }

  return {
    /** Adds keys that differ. Resolves when it can take more. */
    async add(seen: readonly Seen[]): Promise<void> {
      waiting.push(...seen);
      if (waiting.length >= LOT_KEYS) await settling.run(settleLot);
    },
    async finish() {
      await settling.run(settleLot);
      return { ...counts, overflowedByRepair, relay, differences };
    },
  };
}
