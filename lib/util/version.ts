/** The version of the program, as in `deno.json`. */
export const VERSION = "0.1.0";

/** The entry script, without its extension. */
export const PROGRAM = "mongodb_cdc_cratedb";
/** The command after installation. */
export const INSTALLED_NAME = "mongodb-cdc-cratedb";
