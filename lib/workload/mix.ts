/** The mix of operations of `db-workload`. */
export const NONE = { insert: 0, update: 0, replace: 0, delete: 0 };

export type Operation = keyof typeof NONE;

export type Mix = Readonly<Record<Operation, number>>;

/** The weight of each operation. @example IN: insert=70,delete=30 → OUT: {insert: 70, update: 0, replace: 0, delete: 30} */
export function parseMix(text: string): Mix {
  const mix = { ...NONE };
  for (const part of text.split(",")) {
    const [, operation = "", weight] = /^\s*(\w+)=(\d+(?:\.\d+)?)\s*$/.exec(part) ?? [];
    if (!Object.hasOwn(mix, operation) || weight === undefined) {
      throw new RangeError(`cannot be understood at ${JSON.stringify(part)}`);
    }
    mix[operation as Operation] = Number(weight);
  }
  if (mix.insert === 0) throw new RangeError("has no insert, so there would be nothing to change");
  return Object.freeze(mix);
}
