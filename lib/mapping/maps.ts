/** Recognises maps: objects whose keys are ids, which would need a new column for each id. */
import { isId } from "./classify.ts";
import type { Column } from "./column_tree.ts";

/** An object with more names that differ only in their digits is a map, too. */
const MAX_NUMBERED_NAMES = 100;

/** Holds all keys of a map in one column. */
const MAP: Column = { kind: "ignored" };

/**
 * The wanted columns with one for each map, and none for ids among other names. An object that has a column already
 * cannot become a map, nor can the root.
 *
 * @param existing the column in the table
 * @example
 * IN: {likes: {507f1f77bcf86cd799439011: bigint}, days: {2026-11-26: text, last: text}}
 * OUT: {likes: ignored, days: {last: text}, which has ids}
 */
export function recogniseMaps(wanted: Column, existing: Column | undefined): Column {
  if (wanted.element) return { ...wanted, element: recogniseMaps(wanted.element, existing?.element) };
  const { kind, children } = wanted;
  if (!children) return wanted;
  if (!existing && isMap([...children.keys()])) return MAP;
  const known = existing?.children;
  const plain = [...children].filter(([name]) => known?.has(name) || !isId(name));
  const kept = new Map(plain.map(([name, child]) => [name, recogniseMaps(child, known?.get(name))]));
  return kept.size < children.size ? { kind, children: kept, hasIds: true } : { kind, children: kept };
}

const isMap = (names: readonly string[]): boolean =>
  names.length > 0 && (names.every(isId) || names.length > MAX_NUMBERED_NAMES && areNumbered(names));

/** @example IN: [u1, u23] → OUT: true; IN: [u1, v1] → OUT: false */
const areNumbered = (names: readonly string[]): boolean =>
  new Set(names.map((name) => name.replaceAll(/\d+/g, "0"))).size === 1;
