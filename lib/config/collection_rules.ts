/** Settings of single collections: which of them a collection has. */
import { matches } from "../source/documents/scope.ts";
import { type Namespace, namespaceText } from "../util/namespace.ts";
import type { CollectionRule, Given } from "./read.ts";

/** Whether it is the name of one collection. */
export const isName = (pattern: string): boolean => !/[*?]/.test(pattern);

/** Whether a name or a pattern is about a collection. */
export const isAbout = (pattern: string, namespace: Namespace): boolean =>
  [namespace.collection, ...pattern.includes(".") ? [namespaceText(namespace)] : []]
    .some((name) => isName(pattern) ? name === pattern : matches(pattern, name));

/**
 * The rule of a collection: an exact name wins over a pattern; of several patterns, the first one wins.
 *
 * @example IN: [{pattern: "log_*"}, {pattern: "log_in"}], {collection: "log_in", …} → OUT: {pattern: "log_in"}
 */
export const ruleFor = <Rule extends Pick<CollectionRule, "pattern">>(
  rules: readonly Rule[],
  namespace: Namespace,
): Rule | undefined =>
  rules.find(({ pattern }) => isName(pattern) && isAbout(pattern, namespace)) ??
    rules.find(({ pattern }) => !isName(pattern) && isAbout(pattern, namespace));

/** What is given for a collection: the values of its rule, else those of the stream. */
export const givenFor = (given: Given, rule: CollectionRule | undefined): Given => ({
  ...given,
  options: { ...given.options, ...rule?.options },
  places: { ...given.places, ...rule?.places },
});
