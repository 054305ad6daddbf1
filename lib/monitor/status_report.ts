/** The answer of `/status`: the fields of `status --json` and of the view `cdc_status`, from the relay itself. */
import { type CollectionChange, type FollowedStream, on } from "../pipeline/status/events.ts";
import type { StatusSource } from "../pipeline/status/relay_status.ts";
import { columnsOf } from "../pipeline/status/status_tracker.ts";
import type { STATUS_FIELDS } from "../sink/metadata/status_view.ts";
import type { Clock } from "../util/clock.ts";
import { namespaceText } from "../util/namespace.ts";

/** All but `state`, which is derived from outside. Times are in ISO 8601, units are in the names. */
type ReportedFields = Record<"schema" | Exclude<typeof STATUS_FIELDS[number], "state">, unknown>;

/**
 * Reports a stream from its status and its events.
 *
 * @example
 * IN: {current: {phase: "following", lag: 25, upserts: 80, deletes: 10, …}}, leaseTaken({schema: "doc", stream: "shop.* -> …"})
 * OUT: {schema: "doc", stream: "shop.* -> …", phase: "following", lag_ms: 25, rows: 90, …}
 */
export function statusReport(status: StatusSource, clock: Pick<Clock, "now">) {
  /** Undefined until both databases are connected. */
  let stream: FollowedStream | undefined;
  let savedAt: string | null = null;
  const changes = new Map<string, CollectionChange>();
  const timeText = (time: number) => new Date(time).toISOString();
  const listen = on({
    standingBy: (event) => stream = event,
    leaseTaken: (event) => stream = event,
    positionSaved: () => savedAt = timeText(clock.now()),
    collectionChanged: (change) => changes.set(namespaceText(change.namespace), change),
  });
  const report = () => ({
    schema: stream?.schema ?? null,
    stream: stream?.stream ?? null,
    ...columnsOf(status.current),
    owner: stream?.owner ?? null,
    reported_at: timeText(clock.now()),
    saved_at: savedAt,
    collections: [...changes].flatMap(([collection, { table, state, since }]) => {
      if (!state) return [];
      const { name, reason = null, hint = null } = state;
      return [{ collection, table, state: name, reason, hint, since: timeText(since) }];
    }),
  } satisfies ReportedFields & { readonly collections: readonly unknown[] });
  return { listen, report };
}
