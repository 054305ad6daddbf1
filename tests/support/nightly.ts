/**
 * The tests that run only with `NIGHTLY=1`: further variants of a behaviour that another test checks, and what takes long
 * and rarely breaks.
 */
const IS_NIGHTLY = Deno.env.get("NIGHTLY") === "1";

/**
 * Registers a test for the nightly run only; for each run if `isOnly` is false.
 * @example nightly(cratedbTest)("relay() …", async (context) => {…})
 */
export const nightly = <Register extends (...args: never[]) => void>(
  register: Register,
  isOnly = true,
): Register => IS_NIGHTLY || !isOnly ? register : (() => {}) as Register;

/** Values of each run, and those that the nightly run adds. @example IN: ["http"], ["wire"] → OUT: ["http"] */
export const variants = <const T, const Added = T>(
  always: readonly T[],
  added: readonly Added[],
): readonly (T | Added)[] => IS_NIGHTLY ? [...always, ...added] : always;

/** How many cases a property is tested with: a quarter of those of the nightly run. @example IN: 2_000 → OUT: {numRuns: 500} */
export const runs = (nightly: number): { readonly numRuns: number } => ({
  numRuns: IS_NIGHTLY ? nightly : nightly / 4,
});
