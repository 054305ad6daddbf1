/** A change of one row: the document that it becomes, or null if it is deleted. */
export interface RowChange {
  readonly oid: string;
  readonly document: Uint8Array | null;
  /** Why there is no document, although it is not deleted. */
  readonly refusal?: string;
}

/**
 * The last change of each key. Earlier ones do not matter to the end state.
 *
 * @example
 * IN: [a → {t: 1}, b → {t: 2}, a → null] → OUT: [b → {t: 2}, a → null]
 */
export function coalesce(changes: Iterable<RowChange>): RowChange[] {
  const last = new Map<string, RowChange>();
  for (const change of changes) {
    const { size } = last;
    last.set(change.oid, change);
    if (last.size > size) continue;
    // The key was there: it moves to where its last change is.
    last.delete(change.oid);
    last.set(change.oid, change);
  }
  return [...last.values()];
}
