/** Fields of the log with a unit at the end of their names: numbers for programs, and the same with a unit for people. */
import { durationText } from "./duration_text.ts";

/** The endings, the longest first, and how people read their numbers. */
const UNITS: readonly (readonly [ending: string, text: (value: number) => string])[] = [
  ["_per_s", (value) => `${value}/s`],
  ["_ms", durationText],
  ["_s", (value) => durationText(value * 1_000)],
];

/**
 * A field as a line for people has it; every other field stays as it is.
 *
 * @example
 * IN: "lag_ms", 120000 → OUT: ["lag", "2 min"]
 * IN: "rate_per_s", 100 → OUT: ["rate", "100/s"]
 * IN: "rows", 5 → OUT: ["rows", 5]
 */
export function peopleField(name: string, value: unknown): readonly [name: string, value: unknown] {
  if (typeof value !== "number" || !Number.isFinite(value)) return [name, value];
  for (const [ending, text] of UNITS) {
    if (name.endsWith(ending)) return [name.slice(0, -ending.length), text(value)];
  }
  return [name, value];
}
