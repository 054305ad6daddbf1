/** The answer of `/status`: the fields of `status --json` and of the view `cdc_status`, from the relay itself. */
import type { CollectionChange, FollowedStream } from "../pipeline/status/events.ts";
import { columnsOf, type RelayStatus } from "../pipeline/status/relay_status.ts";
import type { STATUS_FIELDS } from "../sink/metadata/status_view.ts";
import { namespaceText } from "../util/namespace.ts";

/** All but `state`, which is derived from outside. Times are in ISO 8601, units are in the names. */
export type StatusReport =
  & Readonly<Record<"schema" | Exclude<typeof STATUS_FIELDS[number], "state">, string | number | null>>
  & { readonly collections: readonly CollectionReport[] };

/** One collection of the stream. */
export interface CollectionReport {
  readonly collection: string;
  readonly table: string;
  readonly state: string;
  readonly reason: string | null;
  readonly hint: string | null;
  readonly since: string;
}

export interface ReportedWith {
  /** Undefined until both databases are connected. */
  readonly stream: FollowedStream | undefined;
  /** When the position was saved last, in milliseconds since 1970; undefined before that. */
  readonly savedAt: number | undefined;
  /** In milliseconds since 1970. */
  readonly now: number;
  /** The last change of each collection. */
  readonly collections: Iterable<CollectionChange>;
}

/**
 * @example
 * IN: {phase: "following", lag: 25, upserts: 80, deletes: 10, …}, {stream: {schema: "doc", stream: "shop.* -> …", …}, …}
 * OUT: {schema: "doc", stream: "shop.* -> …", phase: "following", lag_ms: 25, rows: 90, …}
 */
export function statusReport(
  status: RelayStatus,
  { stream, savedAt, now, collections }: ReportedWith,
): StatusReport {
  return {
    schema: stream?.schema ?? null,
    stream: stream?.stream ?? null,
    ...columnsOf(status),
    owner: stream?.owner ?? null,
    reported_at: new Date(now).toISOString(),
    saved_at: savedAt === undefined ? null : new Date(savedAt).toISOString(),
    collections: [...collections].flatMap(({ namespace, table, state, since }) =>
      state
        ? [{
          collection: namespaceText(namespace),
          table,
          state: state.name,
          reason: state.reason ?? null,
          hint: state.hint ?? null,
          since: new Date(since).toISOString(),
        }]
        : []
    ),
  };
}
