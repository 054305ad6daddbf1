/** The BSON library of the driver. Loading the whole driver takes longer than a command needs that has no server. */
// @ts-types="mongodb"
export { BSON } from "mongodb/lib/bson.js";

/** The highest ordinal of a second: a time with it covers the whole second. */
export const LAST_ORDINAL = 2 ** 32 - 1;
