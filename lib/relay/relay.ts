/** `cdc-relay`: connects both databases and runs one stream. */
import type { RelaySettings } from "../pipeline/settings.ts";
import { emitter } from "../pipeline/status/events.ts";
import { StatusTracker } from "../pipeline/status/status_tracker.ts";
import { SYSTEM_CLOCK } from "../util/clock.ts";
import { ConnectionPool, type PoolContext } from "./connect.ts";
import { endOf, runStream, type StreamContext } from "./stream.ts";
import { StreamSettings } from "./stream_settings.ts";

/** Takes a snapshot of the existing documents, then follows the changes until the signal is aborted. */
export async function relay(
  settings: RelaySettings,
  context: StreamContext & Pick<PoolContext, "clock">,
): Promise<void> {
  const { signal, clock = SYSTEM_CLOCK, status = new StatusTracker(clock) } = context;
  const emit = emitter(status.listen, context.emit);
  await using pool = new ConnectionPool(settings, { ...context, clock });
  const connecting = pool.connect(settings, { emit, watch: (system) => status.watch(system) });
  await using connections = await connecting.catch((error) => {
    emit(endOf(error, signal));
    throw error;
  });
  await runStream(connections, new StreamSettings({ settings }), { ...context, status });
}
