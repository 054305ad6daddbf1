/** Warns at the start of a relay that a name of its scope matches nothing: it may be a typing error. */
import type { FoundCollection, Scope } from "../source/documents/scope.ts";
import { type Catalogue, namesText, type Unmatched, unmatchedNames } from "../source/documents/unmatched.ts";
import type { Logger } from "../util/log.ts";

export interface WarnOfUnmatchedDeps {
  readonly scope: Scope;
  /** The collections that the scope has found. */
  readonly found: readonly FoundCollection[];
  readonly catalogue: Catalogue;
  readonly log: Logger;
}

/**
 * @example
 * IN: shop.ordrs, which does not exist
 * OUT: WARN No collection matches yet name=ordrs existing="orders, users" did_you_mean=orders
 *
 * @throws MongoError
 */
export async function warnOfUnmatched({ scope, found, catalogue, log }: WarnOfUnmatchedDeps): Promise<void> {
  const unmatched = await unmatchedNames(scope, found, catalogue);
  for (const each of unmatched) tell(each, log);
  if (found.length === 0 && unmatched.length === 0) {
    log.warn("The scope has no collection yet that can be followed", { scope: `${scope}` });
  }
}

/** On a MongoDB without data no name can be mistaken for another one. */
function tell({ kind, name, existing, similar }: Unmatched, log: Logger): void {
  const level = existing.length > 0 ? "warn" : "info";
  log[level](`No ${kind} matches yet`, { name, existing: namesText(existing), did_you_mean: similar });
}
