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

/** Finds the rule of a collection: an exact name wins over a pattern; of several patterns, the first one wins. */
export function ruleIn<Rule extends Pick<CollectionRule, "pattern">>(rules: readonly Rule[]) {
  const named = new Map(rules.map((rule) => [rule.pattern, rule]));
  const patterns = rules.filter(({ pattern }) => !isName(pattern));
  return (namespace: Namespace): Rule | undefined =>
    named.get(namespaceText(namespace)) ?? named.get(namespace.collection) ??
      patterns.find(({ pattern }) => isAbout(pattern, namespace));
}

/** What is given for a collection: the values of its rule, else those of the stream. */
export const givenFor = (given: Given, { options, places }: CollectionRule): Given => ({
  ...given,
  options: { ...given.options, ...options },
  places: { ...given.places, ...places },
});

/** A collection that a name or a pattern is about. @example IN: "log_*", "shop" → OUT: {database: "shop", collection: "log_example"} */
export const exampleOf = (pattern: string, database: string): Namespace => ({
  database: example(database),
  collection: example(pattern.startsWith(`${database}.`) ? pattern.slice(database.length + 1) : pattern),
});

const example = (pattern: string): string => pattern.replaceAll("*", "example").replaceAll("?", "x");
