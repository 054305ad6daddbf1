/** The version of the program, as `deno.json` has it. */
export const VERSION = "0.1.0";
