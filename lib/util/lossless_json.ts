/** JSON that keeps every digit of numbers and every key, for CrateDB's texts of objects. */

export class Digits {
  constructor(readonly text: string) {}
}

export type Json = null | boolean | string | Digits | Json[] | Map<string, Json>;

/** @throws SyntaxError @example IN: {"n":9007199254740993,"d":1.0} → OUT: Map { "n" → Digits "9007199254740993", … } */
export function parseJson(text: string): Json {
  const revive = (_key: string, value: unknown, { source = "" }: { source?: string } = {}): unknown => {
    if (typeof value === "number") return new Digits(source);
    const isObject = value !== null && typeof value === "object" && !Array.isArray(value) &&
      !(value instanceof Digits || value instanceof Map);
    return isObject ? new Map(Object.entries(value)) : value;
  };
  return JSON.parse(text, revive);
}

/** @example IN: Map { "d" → Digits "1.0" } → OUT: {"d":1.0} */
export function jsonText(value: Json): string {
  if (value instanceof Digits) return value.text;
  if (value instanceof Map) {
    return `{${[...value].map(([name, each]) => `${JSON.stringify(name)}:${jsonText(each)}`).join(",")}}`;
  }
  return Array.isArray(value) ? `[${value.map(jsonText).join(",")}]` : JSON.stringify(value);
}

/** Whether a value is null, or an array of only null at any depth. */
export const isNothing = (value: Json): boolean =>
  value === null || Array.isArray(value) && value.every(isNothing);
