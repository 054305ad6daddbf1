/** How fast rows arrive of documents that are there, or are inserted while a contender follows. */
import type { Bed } from "./bed.ts";
import type { Contender } from "./contender.ts";
import type { Shape } from "./documents.ts";
import { insertDocuments } from "./lines.ts";
import { type Sample, sample } from "./sample.ts";
import { arrived } from "./visible.ts";

interface Arrival {
  readonly bed: Bed;
  readonly contender: Contender;
  readonly shape: Shape;
  readonly count: number;
}

/** Milliseconds that another tool gets. */
const TOOL_LIMIT_MS = 60_000;

const limitOf = ({ transport }: Contender): number | undefined => transport ? undefined : TOOL_LIMIT_MS;

/** From the start of a relay's snapshot, or of a tool's process, to the last row. */
export async function snapshot({ bed, contender, shape, count }: Arrival): Promise<Sample> {
  await using place = await contender.place();
  await insertDocuments(place.collection, { shape, count });
  await using running = contender.start(place);
  await contender.reading(running);
  const { pid } = running;
  const wanted = { rows: count, limit: limitOf(contender) };
  const taken = await sample(
    () => arrived(bed.transports.http, place.table, wanted),
    { pid, cpu: bed.cpu },
  );
  await running.kill("SIGTERM");
  return taken;
}

/** From before the first insert to the last row, inserted as fast as MongoDB takes them. */
export async function live({ bed, contender, shape, count }: Arrival): Promise<Sample> {
  await using place = await contender.place();
  await using running = contender.start(place);
  await contender.following(running, place);
  const { pid } = running;
  const wanted = { rows: count, limit: limitOf(contender) };
  const taken = await sample(async () => {
    const [rows] = await Promise.all([
      arrived(bed.transports.http, place.table, wanted),
      insertDocuments(place.collection, { shape, count }),
    ]);
    return rows;
  }, { pid, cpu: bed.cpu });
  await running.kill("SIGTERM");
  return taken;
}
