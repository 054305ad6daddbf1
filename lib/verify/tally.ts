/** Counts what is found of one collection, and settles it lot by lot, so that memory is bounded. */
import { Semaphore } from "../util/semaphore.ts";
import type { RowKey } from "../key/document_key.ts";
import type { DifferenceKind, KeyDifference, Passing } from "./result.ts";
import { type Seen, settle, type SettleDeps } from "./settle.ts";

export interface TallyDeps extends SettleDeps {
  /** Has the rows of these keys written again, or removed; undefined if that is not wanted. */
  readonly repair: ((keys: readonly RowKey[]) => Promise<void>) | undefined;
  /** How many rows of these keys have values that their columns do not take. */
  readonly overflowed: (oids: readonly string[]) => Promise<number>;
}

/** Keys that are settled together. */
const LOT_KEYS = 5_000;
/** Differences that are kept. */
const MAX_TOLD = 20;

export class Tally {
  readonly #deps: TallyDeps;
  readonly #settling = new Semaphore(1);
  readonly #counts: Record<DifferenceKind, number> = { missing: 0, extra: 0, different: 0, "dead letter": 0 };
  readonly #told: KeyDifference[] = [];
  #waiting: Seen[] = [];
  #changing = 0;
  #repaired = 0;
  #overflowedByRepair = 0;
  #relay: Passing | undefined;

  constructor(deps: TallyDeps) {
    this.#deps = deps;
  }

  /** Takes keys that differ; resolves when there is room for more. */
  async add(seen: readonly Seen[]): Promise<void> {
    this.#waiting.push(...seen);
    if (this.#waiting.length >= LOT_KEYS) await this.#settling.run(() => this.#settle());
  }

  /** Settles what is left. */
  async finish() {
    await this.#settling.run(() => this.#settle());
    const { missing, extra, different, "dead letter": deadLetters } = this.#counts;
    return {
      missing,
      extra,
      different,
      deadLetters,
      changing: this.#changing,
      repaired: this.#repaired,
      /** Rows with overflow that the repair has made, less those that it has removed. */
      overflowedByRepair: this.#overflowedByRepair,
      relay: this.#relay,
      differences: this.#told,
    };
  }

  async #settle(): Promise<void> {
    const lot = this.#waiting;
    this.#waiting = [];
    if (lot.length === 0) return;
    const { repair, look } = this.#deps;
    let { differing, changing, relay } = await settle(lot, this.#deps);
    const wrong = differing.filter(({ kind }) => kind !== "dead letter");
    const toRepair = wrong.map(({ key }) => key);
    if (repair && toRepair.length > 0) {
      await repair(toRepair);
      const after = await settle(await look(toRepair), this.#deps);
      this.#overflowedByRepair += await this.#newlyOverflowed(wrong, lot);
      this.#repaired += toRepair.length - after.differing.length - after.changing.length;
      differing = [...differing.filter(({ kind }) => kind === "dead letter"), ...after.differing];
      changing = [...changing, ...after.changing];
    }
    this.#relay = relay;
    this.#changing += changing.length;
    for (const { oid, kind, paths } of differing) {
      this.#counts[kind]++;
      if (this.#told.length < MAX_TOLD) this.#told.push({ oid, kind, paths });
    }
  }

  /** @param lot the same keys, and others, as they were when rows with overflow were counted */
  async #newlyOverflowed(wrong: readonly Seen[], lot: readonly Seen[]): Promise<number> {
    // Rows without documents were not counted.
    const oids = new Set(wrong.filter(({ kind }) => kind !== "extra").map(({ oid }) => oid));
    const before = lot.filter(({ oid, kind, isOverflowed }) =>
      oids.has(oid) && kind !== "extra" && isOverflowed
    );
    return await this.#deps.overflowed([...oids]) - before.length;
  }
}
