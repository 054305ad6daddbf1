/** The units, the largest first, and from how many milliseconds on each is used. */
const UNITS: readonly (readonly [from: number, unit: number, name: string])[] = [
  [172_800_000, 86_400_000, "d"],
  [7_200_000, 3_600_000, "h"],
  [120_000, 60_000, "min"],
  [10_000, 1_000, "s"],
];

/**
 * A time for people.
 *
 * @example
 * IN: 205 → OUT: 205 ms; IN: 2_350 → OUT: 2.4 s; IN: 90_000 → OUT: 90 s; IN: 5_400_000 → OUT: 90 min
 */
export function durationText(milliseconds: number): string {
  if (milliseconds < 0) return `-${durationText(-milliseconds)}`;
  for (const [from, unit, name] of UNITS) {
    if (milliseconds >= from) return `${Math.round(milliseconds / unit)} ${name}`;
  }
  return milliseconds < 1_000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1_000).toFixed(1)} s`;
}
