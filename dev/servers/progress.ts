import { STDERR } from "../../lib/util/standard_streams.ts";

/** Prints a line of progress to standard error. */
export function progress(line: string): void {
  STDERR.write(`${line}\n`);
}
