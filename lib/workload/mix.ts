/** How often each operation occurs in a workload. */

export type Operation = "insert" | "update" | "replace" | "delete";

const OPERATIONS: readonly Operation[] = ["insert", "update", "replace", "delete"];

/**
 * @example
 * IN: insert=70,delete=30 → OUT: {insert: 70, update: 0, replace: 0, delete: 30}
 *
 * @throws RangeError
 */
export function parseMix(text: string): Readonly<Record<Operation, number>> {
  const mix = { insert: 0, update: 0, replace: 0, delete: 0 };
  for (const part of text.split(",")) {
    const [, operation, weight] = /^\s*(\w+)=(\d+(?:\.\d+)?)\s*$/.exec(part) ?? [];
    if (!OPERATIONS.includes(operation as Operation) || weight === undefined) {
      throw new RangeError(`cannot be understood at ${JSON.stringify(part)}`);
    }
    mix[operation as Operation] = Number(weight);
  }
  if (mix.insert === 0) throw new RangeError("has no insert, so there would be nothing to change");
  return Object.freeze(mix);
}
