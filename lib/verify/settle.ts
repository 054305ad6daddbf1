/**
 * Which differences are real. While a relay runs, a row is always a moment behind its document, so a key that differs is
 * looked at again after the relay has passed the moment at which it was seen. Each look is a generation:
 *
 * | Then                                              | The key                              |
 * | ------------------------------------------------- | ------------------------------------ |
 * | Document and row are equal                        | is equal                             |
 * | Both are as they were, and the relay has passed   | differs                              |
 * | One has changed                                   | is looked at again                   |
 * | One has changed in each generation                | is changing: neither equal nor known |
 * | No relay runs, or it does not get on              | differs, as it is                    |
 */
import type { RowKey } from "../key/document_key.ts";
import type { KeyDifference, Passing } from "./result.ts";

/** A key that differed when it was looked at. */
export interface Seen extends KeyDifference {
  readonly key: RowKey;
  /** Fingerprints of what was seen; null where there was nothing. */
  readonly document: string | null;
  readonly row: string | null;
  /** Whether the row has values that its columns do not take. */
  readonly isOverflowed: boolean;
}

export interface SettleDeps {
  /** Waits until the relay has passed all that has been read from MongoDB. */
  readonly pass: () => Promise<Passing>;
  /** Those of the keys that differ now. */
  readonly look: (keys: readonly RowKey[]) => Promise<readonly Seen[]>;
  /** Looks at most. */
  readonly generations: number;
}

export interface Settled {
  readonly differing: readonly Seen[];
  readonly changing: readonly Seen[];
  /** Undefined where nothing had to be waited for. */
  readonly relay: Passing | undefined;
}

export async function settle(
  candidates: readonly Seen[],
  { pass, look, generations }: SettleDeps,
): Promise<Settled> {
  const differing: Seen[] = [];
  let waiting = candidates;
  let relay: Passing | undefined;
  for (let generation = 0; generation < generations && waiting.length > 0; generation++) {
    relay = await pass();
    const before = new Map(waiting.map((each) => [each.oid, each]));
    const now = await look(waiting.map(({ key }) => key));
    const isReal = (each: Seen): boolean => relay !== "passed" || isUnchanged(each, before.get(each.oid));
    differing.push(...now.filter(isReal));
    waiting = now.filter((each) => !isReal(each));
  }
  return { differing, changing: waiting, relay };
}

const isUnchanged = (now: Seen, before: Seen | undefined): boolean =>
  now.document === before?.document && now.row === before?.row;
