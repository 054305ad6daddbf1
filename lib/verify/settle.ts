/**
 * Decides which differences are real. While a relay runs, a row is a moment behind its document. So a key that differs is
 * compared again after the relay has passed the time of the first comparison. Each comparison is a generation. A key
 * differs if both sides are unchanged, or if no relay runs or makes progress. If one side has changed, the key is compared
 * again; if one changes in each generation, the key counts as changing.
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
      return relay !== "passed" || each.document === document && each.row === row ? "real" : "changed";
    });
    differing.push(...real);
    waiting = changed;
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

/** Counts the differences of one collection. Settles and repairs them in lots, so that memory is bounded. */
export class Tally {
  readonly #deps: TallyDeps;
  readonly #settling = new Semaphore(1);
  readonly #counts = { missing: 0, extra: 0, different: 0, deadLetters: 0, changing: 0, repaired: 0 };
  readonly #differences: KeyDifference[] = [];
  /** Rows with overflow that the repair added, minus those that it removed. */
  #overflowedByRepair = 0;
  #waiting: Seen[] = [];
  #relay: Passing | undefined;

  constructor(deps: TallyDeps) {
    this.#deps = deps;
  }

  /** Adds keys that differ. Resolves when it can take more. */
  async add(seen: readonly Seen[]): Promise<void> {
    this.#waiting.push(...seen);
    if (this.#waiting.length >= LOT_KEYS) await this.#settling.run(() => this.#settle());
  }

  async finish() {
    await this.#settling.run(() => this.#settle());
    return {
      ...this.#counts,
      overflowedByRepair: this.#overflowedByRepair,
      relay: this.#relay,
      differences: this.#differences,
    };
  }

  async #settle(): Promise<void> {
    const lot = this.#waiting;
    this.#waiting = [];
    if (lot.length === 0) return;
    const { repair, look } = this.#deps;
    let { differing, changing, relay } = await settle(lot, this.#deps);
    const { dead = [], wrong = [] } = Object.groupBy(
      differing,
      ({ kind }) => kind === "dead letter" ? "dead" : "wrong",
    );
    if (repair && wrong.length > 0) {
      const keys = wrong.map(({ key }) => key);
      await repair(keys);
      const after = await settle(await look(keys), this.#deps);
      this.#overflowedByRepair += await this.#newlyOverflowed(wrong, lot);
      this.#counts.repaired += keys.length - after.differing.length - after.changing.length;
      differing = [...dead, ...after.differing];
      changing = [...changing, ...after.changing];
      // A relay runs now: it has repaired the rows.
      relay = after.relay ?? "passed";
    }
    this.#relay = relay;
    this.#counts.changing += changing.length;
    for (const { oid, kind, paths } of differing) {
      this.#counts[kind === "dead letter" ? "deadLetters" : kind]++;
      if (this.#differences.length < MAX_DIFFERENCES) this.#differences.push({ oid, kind, paths });
    }
  }

  /** `lot` has the keys as they were when rows with overflow were counted; extra rows were not counted. */
  async #newlyOverflowed(wrong: readonly Seen[], lot: readonly Seen[]): Promise<number> {
    const oids = new Set(wrong.filter(({ kind }) => kind !== "extra").map(({ oid }) => oid));
    const before = lot.filter((each) => oids.has(each.oid) && each.kind !== "extra" && each.isOverflowed);
    return await this.#deps.overflowed([...oids]) - before.length;
  }
}
