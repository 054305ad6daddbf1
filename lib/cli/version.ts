/** What the program is called, and which version it is. */

/** The entry script, without its ending. */
export const PROGRAM = "mongodb_cdc_cratedb";
/** The name that it is installed under. */
export const INSTALLED_NAME = "mongodb-cdc-cratedb";
export const VERSION = "0.1.0";
