/** What a change stream gives when nothing is done with it. */
import type { Backlog } from "./backlog.ts";
import type { Bed } from "./bed.ts";
import { rawStream } from "./raw_stream.ts";
import { type Sample, sample } from "./sample.ts";

/** Reads the change events of a backlog, and does nothing with them. */
export async function drainAlone(
  bed: Bed,
  { place, token, outcome: { changes } }: Backlog,
): Promise<Sample> {
  return await sample(async () => {
    let seen = 0;
    for await (const { events } of rawStream(bed, place, token)) {
      if ((seen += events) >= changes) return seen;
    }
    throw new Error(`The change stream ended after ${seen} events`);
  }, { pid: Deno.pid, cpu: bed.cpu });
}
