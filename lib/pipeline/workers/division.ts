/** What a relay does first where its stream was divided in another way before. */
import { LEASE_MARGIN_MS } from "../../sink/metadata/lease.ts";
import type { StreamPosition } from "../../sink/metadata/stream_position.ts";
import type { DividedStreams } from "../../sink/metadata/divided_streams.ts";
import type { Clock } from "../../util/clock.ts";
import { UserError } from "../../util/errors.ts";
import type { Logger } from "../../util/log.ts";
import { snapshotStateText } from "../snapshot/saved_snapshot.ts";
import type { RelaySettings } from "../settings.ts";
import { fullSnapshot } from "../snapshot/snapshot_state.ts";

export interface DivisionDeps {
  readonly streams: Pick<DividedStreams, "others" | "held" | "inherit" | "forget">;
  readonly position: Pick<StreamPosition, "stream" | "state" | "save">;
  readonly settings: Pick<RelaySettings, "lease" | "onHeld">;
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly clock: Clock;
}

const POLL_INTERVAL_MS = 200;

/**
 * Takes the place of relays that divided the stream in another way: waits until they are gone, plans a snapshot that
 * also removes rows without documents, and forgets their positions. They would be of other documents.
 *
 * @throws UserError where one of them is alive, and is not to be waited for
 */
export async function takeOverDivision(deps: DivisionDeps): Promise<void> {
  const { streams, position, log } = deps;
  const others = await streams.others();
  if (others.length === 0) return;
  await untilFree(others, deps);
  const { token, snapshot } = position.state;
  if (token === null && snapshot === null) {
    log.warn("The stream was divided in another way before: taking a new snapshot", {
      stream: position.stream,
      before: others.join("; "),
    });
    await streams.inherit(others);
    await position.save({ snapshot: snapshotStateText(fullSnapshot({ removesStale: true })) });
  }
  await streams.forget(others);
}

async function untilFree(others: readonly string[], deps: DivisionDeps): Promise<void> {
  const { streams, settings: { lease, onHeld }, clock, signal, log } = deps;
  const until = onHeld === "wait" ? Infinity : clock.monotonic() + lease + LEASE_MARGIN_MS;
  let isTold = false;
  while (true) {
    const held = await streams.held(others);
    if (held === undefined) return;
    if (clock.monotonic() >= until) {
      throw new UserError(`Another relay follows the same documents, divided in another way: ${held}`, {
        hint: "Stop all relays of the stream before you change the number of workers.",
      });
    }
    if (!isTold) log.info("Waiting for a relay that divides the stream in another way", { stream: held });
    isTold = true;
    await clock.wait(POLL_INTERVAL_MS, { signal });
  }
}
