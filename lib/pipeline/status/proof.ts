/** What the last verifications prove of a stream. */

export interface Verified {
  /** Whether all documents of the collection were compared last time, and found equal: then up to when, in ISO 8601. */
  readonly verified_to: string | null;
}

export interface Proof {
  /** Collections that are equal to MongoDB up to this time, and all collections. */
  readonly equal: number;
  readonly of: number;
  /** In ISO 8601; null without a collection that is proven equal. */
  readonly up_to: string | null;
}

/**
 * @example
 * IN: [{verified_to: 14:03:07}, {verified_to: 14:03:09}, {verified_to: null}] → OUT: {equal: 2, of: 3, up_to: 14:03:07}
 */
export function proofOf(collections: readonly Verified[]): Proof {
  const times = collections.flatMap(({ verified_to: time }) => time === null ? [] : [time]).sort();
  return { equal: times.length, of: collections.length, up_to: times[0] ?? null };
}

/** @example OUT: equal to MongoDB up to 2026-11-27T14:03:07.000Z (2 of 3 collections) */
export const proofText = ({ equal, of, up_to }: Proof): string | undefined =>
  up_to === null ? undefined : `equal to MongoDB up to ${up_to} (${equal} of ${of} collections)`;
