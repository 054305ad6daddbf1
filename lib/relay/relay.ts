/** `cdc-relay`: connects both databases and runs one stream. */
import type { RelaySettings } from "../pipeline/settings.ts";
import { emitter } from "../pipeline/status/events.ts";
import { StatusTracker } from "../pipeline/status/status_tracker.ts";
import { SYSTEM_CLOCK } from "../util/clock.ts";
import { connect, type ConnectContext, type Connections } from "./connect.ts";
import { runStream, type StreamContext } from "./stream.ts";

type RelayContext = StreamContext & Pick<ConnectContext, "clock">;

/**
 * Takes a snapshot of the existing documents, then follows the changes until the signal is aborted. Throws the signal's
 * reason if it is aborted during a batch.
 */
export async function relay(settings: RelaySettings, context: RelayContext): Promise<void> {
  const { clock = SYSTEM_CLOCK, status = new StatusTracker(clock) } = context;
  await using connections = await connectOrEnd(settings, { ...context, clock, status });
  await runStream(connections, settings, { ...context, status });
}

/** Connects, and emits the end if that fails. */
async function connectOrEnd(
  settings: RelaySettings,
  context: RelayContext & { readonly status: StatusTracker },
): Promise<Connections> {
  const { signal, status } = context;
  const emit = emitter(status.listen, context.emit);
  try {
    return await connect(settings, { ...context, emit, watch: (system) => status.watch(system) });
  } catch (error) {
    emit({ type: "ended", error: signal.aborted && error === signal.reason ? undefined : error });
    throw error;
  }
}
