/** Whose the columns below `data` are: made by the relay, inferred by CrateDB, or none. */
export type ColumnMode = "typed" | "dynamic" | "ignored";
