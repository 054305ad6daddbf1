import { STDERR } from "../../lib/util/standard_streams.ts";

/** A line for a person who waits, on standard error. */
export function tell(line: string): void {
  STDERR.write(`${line}\n`);
}
