/** Lag and rates of a stream during the last hour, in memory. */
import type { StatusSource } from "../pipeline/status/relay_status.ts";
import type { Clock } from "../util/clock.ts";

export const SAMPLE_MS = 5_000;
const SAMPLES = 720;
/** A snapshot alternates with the stream, so its rate is that of the last 25 to 30 s. */
const MARKS = 6;

/** Time in milliseconds since 1970, lag in milliseconds or null, rows written per second. */
export type Sample = readonly [at: number, lag: number | null, rate: number];

export class History {
  readonly #samples: Sample[] = [];
  /** The counts of the last samples, the oldest first. */
  #marks: readonly { readonly at: number; readonly counts: ReadonlyMap<string, number> }[] = [];

  /** @param reading the documents of each collection that a snapshot has read */
  constructor(
    readonly status: StatusSource,
    readonly clock: Pick<Clock, "now" | "monotonic">,
    readonly reading: ReadonlyMap<string, { readonly documents: number }>,
  ) {
    this.sample();
  }

  /** Call it every {@linkcode SAMPLE_MS}. */
  sample(): void {
    this.#samples.push([this.clock.now(), this.status.current.lag, this.rate]);
    if (this.#samples.length > SAMPLES) this.#samples.shift();
    const counts = new Map([...this.reading].map(([name, { documents }]) => [name, documents]));
    this.#marks = [
      ...this.#marks.slice(1 - MARKS),
      { at: this.clock.monotonic(), counts: counts.set("", this.#rows) },
    ];
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
