/** The version of the program, as in `deno.json`. */
export const VERSION = "0.1.0";

export const PROGRAM = "mongodb_cdc_cratedb";
export const INSTALLED_NAME = "mongodb-cdc-cratedb";
