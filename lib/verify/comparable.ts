/** Selects the collections to compare. Comparing none proves nothing: it is an error or a warning. */
import type { Namespace } from "../util/namespace.ts";
import type { FoundCollection, Scope } from "../source/documents/scope.ts";
import {
  type Catalogue,
  namesText,
  type Unmatched,
  unmatchedNames,
  unmatchedText,
} from "../source/documents/unmatched.ts";
import { UsageError } from "../util/errors.ts";
import type { Logger } from "../util/log.ts";

export interface ComparableDeps {
  readonly scope: Scope;
  /** The collections that the scope has found; a single one may not exist. */
  readonly found: readonly FoundCollection[];
  readonly catalogue: Catalogue;
  /** Whether a deleted collection has rows that its relay should have deleted. */
  readonly hasRows: (namespace: Namespace) => Promise<boolean>;
  readonly runs: "once" | "forever";
  readonly log: Logger;
}

/**
 * The collections of the scope, including a deleted one that still has rows.
 *
 * @example
 * IN: {scope: shpo.*, found: [], …} → OUT: throws "No database matches shpo; MongoDB shows these: shop, weather"
 * @throws UsageError if no collection matches, unless `verify` runs repeatedly
 */
export async function comparable(deps: ComparableDeps): Promise<readonly FoundCollection[]> {
  const { scope, found, catalogue, hasRows, runs, log } = deps;
  const unmatched = await unmatchedNames(scope, found, catalogue);
  const [single] = found;
  const isMissing = scope.level === "collection" && unmatched.length > 0 && single !== undefined &&
    !await hasRows(single);
  const left = isMissing ? [] : found;
  if (left.length === 0 && runs === "once") throw nothingToCompare(scope, unmatched);
  for (const { kind, name, existing, similar } of unmatched) {
    log.warn(`No ${kind} matches`, { name, existing: namesText(existing), did_you_mean: similar });
  }
  return left;
}

function nothingToCompare(scope: Scope, [first]: readonly Unmatched[]): UsageError {
  if (!first) {
    return new UsageError(`Nothing to compare: no collection matches ${scope}`, {
      hint: "MongoDB shows this user none, or --exclude excludes all of them.",
    });
  }
  const { kind, similar } = first;
  return new UsageError(unmatchedText(first), {
    hint: similar === undefined
      ? `Name one of these with --${kind}, or grant the user the right to see others.`
      : `Did you mean --${kind} ${similar}?`,
  });
}
