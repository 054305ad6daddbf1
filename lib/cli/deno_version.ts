/** Which Deno runs the program. Loads nothing, so that a Deno that is too old for the rest can run it. */

/**
 * Why this Deno cannot run the program; undefined if it can.
 *
 * @example
 * IN: 2.6.0 → OUT: "Deno 2.9 or newer is needed; this is Deno 2.6.0."; IN: 2.10.1 → OUT: undefined
 */
export function tooOld(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major > 2 || major === 2 && minor >= 9) return undefined;
  return `Deno 2.9 or newer is needed; this is Deno ${version}.`;
}
