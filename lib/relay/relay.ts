/** `cdc-relay` without a file: one stream, which ends the process when it fails. */
import type { RelaySettings } from "../pipeline/settings.ts";
import { ConnectionPool, type PoolContext } from "./connect.ts";
import { runStream, type StreamContext } from "./stream.ts";
import { type Configured, StreamSettings } from "./stream_settings.ts";

/** Takes a snapshot of the existing documents, then follows the changes until the signal is aborted. */
export async function relay(
  settings: RelaySettings,
  { content, ...context }: StreamContext & Pick<PoolContext, "clock"> & Pick<Configured, "content">,
): Promise<void> {
  await using pool = new ConnectionPool(settings, context);
  await runStream(pool, new StreamSettings({ settings, ...content && { content } }), context);
}
