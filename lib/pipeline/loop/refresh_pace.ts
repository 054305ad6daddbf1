/**
 * How often rows are made visible: 40 times a second where refreshes are quick, and two thirds of the time where they are
 * slow. It knows no clock: times are given.
 */

export interface RefreshPaceOptions {
  /** The longest pause between two refreshes, in milliseconds. */
  readonly longestPause: number;
}

/** After a refresh, the pause is at least so many times as long as refreshes take. */
const PAUSE_PER_COST = 0.5;
/** Each refresh makes a segment of each shard that has changed, which CrateDB has to merge. */
const SHORTEST_PAUSE_MS = 25;
/** How much the latest refresh counts in what refreshes take. */
const LATEST_WEIGHT = 0.25;

/**
 * @example
 * IN: refreshes of 3 ms → OUT: a pause of 25 ms; of 80 ms → 40 ms; of 3 s, with a longest pause of 1 s → 1 s
 */
export class RefreshPace {
  readonly #longestPause: number;
  /** What a refresh takes lately, in milliseconds; undefined before the first one. */
  #cost: number | undefined;
  #endedAt = -Infinity;

  constructor({ longestPause }: RefreshPaceOptions) {
    this.#longestPause = longestPause;
  }

  /** When the next refresh may begin, in milliseconds of the monotonic clock. */
  get dueAt(): number {
    if (this.#cost === undefined) return this.#endedAt;
    const pause = Math.max(SHORTEST_PAUSE_MS, PAUSE_PER_COST * this.#cost);
    return this.#endedAt + Math.min(this.#longestPause, pause);
  }

  /** When it has to begin at the latest. */
  get latestAt(): number {
    return this.#endedAt + this.#longestPause;
  }

  /** A refresh has been made. Times are in milliseconds of the monotonic clock. */
  refreshed(startedAt: number, endedAt: number): void {
    const cost = endedAt - startedAt;
    this.#cost = this.#cost === undefined ? cost : this.#cost + LATEST_WEIGHT * (cost - this.#cost);
    this.#endedAt = endedAt;
  }
}
