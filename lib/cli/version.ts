/** What the program is called. */

/** The entry script, without its ending. */
export const PROGRAM = "mongodb_cdc_cratedb";
/** The name that it is installed under. */
export const INSTALLED_NAME = "mongodb-cdc-cratedb";
