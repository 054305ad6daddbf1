/** The answer of `/status` for a stream, from its status, its events, and what CrateDB has of its collections. */
import type { CollectionState } from "../pipeline/collections/collection_state.ts";
import {
  type CollectionChange,
  type Counts,
  type FollowedStream,
  NO_COUNTS,
  on,
  sumOf,
} from "../pipeline/status/events.ts";
import { healthOf } from "../pipeline/status/health.ts";
import { proofOf } from "../pipeline/status/proof.ts";
import { columnsOf, type StatusSource } from "../pipeline/status/relay_status.ts";
import type { CollectionStatus, STATUS_FIELDS } from "../sink/metadata/status_view.ts";
import type { Clock } from "../util/clock.ts";
import { namespaceText } from "../util/namespace.ts";

export interface ReportDeps {
  readonly clock: Pick<Clock, "now" | "monotonic">;
  /** In milliseconds. */
  readonly maxLag: () => number;
  /** The collections as CrateDB has them. @default {nothing} */
  readonly stored?: ((stream: FollowedStream) => readonly CollectionStatus[]) | undefined;
}

/**
 * The fields of `status --json` and of the view `cdc_status`, with `state` as this process sees it. Times are in ISO 8601,
 * units are in the names.
 */
type ReportedFields = Record<"schema" | typeof STATUS_FIELDS[number], unknown>;

/**
 * @example
 * IN: {current: {phase: "following", lag: 25, upserts: 80, deletes: 10, …}}, leaseTaken({schema: "doc", stream: "shop.* -> …"})
 * OUT: {schema: "doc", stream: "shop.* -> …", phase: "following", lag_ms: 25, rows: 90, …}
 */
export function statusReport(
  status: StatusSource,
  { clock, maxLag, stored: storedOf = () => [] }: ReportDeps,
) {
  /** Undefined until both databases are connected. */
  let stream: FollowedStream | undefined;
  let pausedFor: string | null = null;
  let savedAt: string | null = null;
  const changes = new Map<
    string,
    Pick<CollectionChange, "table" | "since"> & { readonly state: CollectionState }
  >();
  const reading = new Map<string, { readonly documents: number; readonly total: number | null }>();
  const written = new Map<string, Counts>();
  const history = new History(status, clock, reading);
  const timeText = (time: number) => new Date(time).toISOString();
  const listen = on({
    standingBy: (event) => stream = event,
    leaseTaken: (event) => stream = event,
    paused: ({ reason }) => pausedFor = reason,
    positionSaved: () => savedAt = timeText(clock.now()),
    collectionChanged: ({ namespace, table, state, since }) => {
      const name = namespaceText(namespace);
      if (state) changes.set(name, { table, state, since });
      else [changes, reading, written].forEach((each) => each.delete(name));
    },
    collectionRead: ({ namespace, ...read }) => reading.set(namespaceText(namespace), read),
    tableWritten: (write) => {
      const name = namespaceText(write.namespace);
      written.set(name, sumOf(written.get(name) ?? NO_COUNTS, write));
    },
  });
  const collections = () => {
    const known = new Map((stream ? storedOf(stream) : []).map((each) => [each.collection, each]));
    return [...changes].map(([collection, { table, state, since }]) => {
      const { name, reason = null, hint = null } = state;
      const { upserts, deletes, overflowed, deadLetters } = written.get(collection) ?? NO_COUNTS;
      const { dead_letters = deadLetters, verified = null, verified_to = null, documents: stored = null } =
        known.get(collection) ?? {};
      const { documents = null, total = null } = reading.get(collection) ?? {};
      const isRead = name === "snapshot";
      const rate = isRead ? history.rateOf(collection) : null;
      return {
        collection,
        table,
        state: name,
        reason,
        hint,
        since: timeText(since),
        rows: upserts + deletes,
        documents: documents ?? stored,
        overflowed,
        dead_letters,
        snapshot_done: isRead ? documents : null,
        snapshot_total: isRead ? total : null,
        snapshot_rate_per_s: rate,
        snapshot_left_ms: rate && total !== null && documents !== null
          ? 1_000 * Math.ceil(Math.max(0, total - documents) / rate)
          : null,
        verified,
        verified_to,
      };
    });
  };
  const report = () => {
    const { current } = status;
    const all = collections();
    const documentRate = all.reduce((sum, { snapshot_rate_per_s: rate }) => sum + (rate ?? 0), 0);
    const snapshotLeft = documentRate > 0 && current.snapshotDone !== null
      ? 1_000 * Math.max(0, (current.snapshotTotal ?? 0) - current.snapshotDone) / documentRate
      : null;
    const figures = {
      schema: stream?.schema ?? null,
      stream: stream?.stream ?? null,
      ...columnsOf(current),
      dead_letters: all.reduce((sum, { dead_letters }) => sum + dead_letters, 0),
      owner: stream?.owner ?? null,
      reported_at: timeText(clock.now()),
      saved_at: savedAt,
      collections: all,
    };
    return {
      ...figures,
      ...healthOf(figures, { maxLag: maxLag(), pausedFor, snapshotLeft }),
      rate_per_s: history.rate,
      proof: proofOf(all),
    } satisfies ReportedFields & Readonly<Record<string, unknown>>;
  };
  return { listen, report, history, followed: () => stream };
}

export type Report = ReturnType<ReturnType<typeof statusReport>["report"]>;

export const SAMPLE_MS = 5_000;
const SAMPLES = 720;
/** A snapshot alternates with the stream, so its rate is that of the last 25 to 30 s. */
const MARKS = 6;

/** Time in milliseconds since 1970, lag in milliseconds or null, rows written per second. */
export type Sample = readonly [at: number, lag: number | null, rate: number];

/** Lag and rates of a stream during the last hour, in memory. */
export class History {
  readonly #samples: Sample[] = [];
  /** The counts of the last samples, the oldest first. */
  #marks: readonly { readonly at: number; readonly counts: ReadonlyMap<string, number> }[] = [];

  /** @param reading the documents of each collection that a snapshot has read */
  constructor(
    private readonly status: StatusSource,
    private readonly clock: Pick<Clock, "now" | "monotonic">,
    private readonly reading: ReadonlyMap<string, { readonly documents: number }>,
  ) {
    this.sample();
  }

  /** Call it every {@linkcode SAMPLE_MS}. */
  sample(): void {
    this.#samples.push([this.clock.now(), this.status.current.lag, this.rate]);
    if (this.#samples.length > SAMPLES) this.#samples.shift();
    const counts = new Map([...this.reading].map(([name, { documents }]) => [name, documents]));
    const mark = { at: this.clock.monotonic(), counts: counts.set("", this.#rows) };
    this.#marks = [...this.#marks.slice(1 - MARKS), mark];
  }

  /** Rows written per second, in the last 5 to 10 s. */
  get rate(): number {
    return this.#rateOf("", this.#rows, this.#marks.at(-2) ?? this.#marks[0]);
  }

  /** Documents of a collection that a snapshot reads per second. */
  rateOf = (collection: string): number =>
    this.#rateOf(collection, this.reading.get(collection)?.documents ?? 0);

  since = (time: number): readonly Sample[] => this.#samples.filter(([at]) => at > time);

  get #rows(): number {
    const { upserts, deletes } = this.status.current;
    return upserts + deletes;
  }

  #rateOf(name: string, count: number, mark = this.#marks[0]): number {
    if (!mark) return 0;
    const seconds = Math.max(1, (this.clock.monotonic() - mark.at) / 1_000);
    // Counts begin again with each start of a stream, and each snapshot.
    return Math.max(0, Math.round((count - (mark.counts.get(name) ?? 0)) / seconds));
  }
}
