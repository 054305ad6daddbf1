/** The program, in a file whose name is that of the installed command: help and hints name what was called. */
import "../mongodb_cdc_cratedb.ts";
