/** MongoDB's clock. By it the lag is told, as this machine's may differ from it. */
import type { Clock } from "../util/clock.ts";
import type { CausalReader } from "./causal_reader.ts";

/**
 * The clock of the server, as it was asked for once.
 *
 * @example
 * IN: a server whose clock is 90 s ahead → OUT: {now: 90 s more than this machine's}
 *
 * @throws MongoError
 */
export async function serverClock(
  reader: Pick<CausalReader, "read">,
  clock: Pick<Clock, "now">,
): Promise<Pick<Clock, "now">> {
  const askedAt = clock.now();
  const { localTime } = await reader.read((client, options) =>
    client.db("admin").command({ hello: 1 }, options)
  );
  const now = (askedAt + clock.now()) / 2;
  const ahead = localTime instanceof Date ? localTime.getTime() - now : 0;
  return { now: () => clock.now() + ahead };
}
