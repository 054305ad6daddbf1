/** The runtime: Deno or Node.js. Imports nothing, so that an old runtime can run it. */

export interface Runtime {
  readonly name: "Deno" | "Node.js";
  readonly version: string;
}

/** @example IN: {deno: "2.9.6", node: "24.2.0"} → OUT: {name: "Deno", version: "2.9.6"} */
export const runtimeOf = ({ deno, node = "" }: { readonly deno?: string; readonly node?: string }): Runtime =>
  deno === undefined ? { name: "Node.js", version: node } : { name: "Deno", version: deno };

const REQUIRED = {
  Deno: { oldest: [2, 9], text: "Deno 2.9", hint: "Run: deno upgrade" },
  "Node.js": { oldest: [22, 0], text: "Node.js 22", hint: "See https://nodejs.org, or use Deno." },
} as const;

/**
 * Why this runtime cannot run the program, with a hint; undefined if it can.
 * @example IN: Deno 2.6.0 → OUT: "Deno 2.9 or newer is needed; this is Deno 2.6.0.\nRun: deno upgrade"
 */
export function tooOld({ name, version }: Runtime): string | undefined {
  const { oldest: [oldestMajor, oldestMinor], text, hint } = REQUIRED[name];
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major > oldestMajor || major === oldestMajor && minor >= oldestMinor) return undefined;
  return `${text} or newer is needed; this is ${name} ${version}.\n${hint}`;
}

export const VERSION = "0.1.0";

export const PROGRAM = "mongodb_cdc_cratedb";
export const INSTALLED_NAME = "mongodb-cdc-cratedb";
