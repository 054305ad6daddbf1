import { writeAll } from "../../lib/util/write_all.ts";

/** A line for a person who waits, on standard error. */
export function tell(line: string): void {
  writeAll(Deno.stderr, `${line}\n`);
}
