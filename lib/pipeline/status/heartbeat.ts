/**
 * Runs once a second, independent of the replication loop, which may be waiting for any answer: it checks for silent
 * systems, queries the sink if nothing else does, and has each stream write a status that has changed. So an idle relay
 * notices a frozen sink, and `cdc_status` shows a silent MongoDB although no position is saved.
 */
import type { Clock } from "../../util/clock.ts";
import type { OutageTracker } from "../../util/outage.ts";
import type { RelayStatus, StatusSource } from "./relay_status.ts";
import { FRESH_MS } from "./stream_lag.ts";

const INTERVAL_MS = 1_000;
/** After a longer pause this process itself was stopped or busy, and may have unread answers. */
const LATE_MS = 3 * INTERVAL_MS;
/** A smaller change of the lag is not written. */
const LAG_STEP_MS = 500;

export class Heartbeat {
  readonly #deps;
  readonly #reporters = new Set<Pick<StatusReporter, "beat">>();
  readonly #closing = new AbortController();
  /** Aborted when the heartbeat ends: no query may wait any longer. */
  readonly closed = this.#closing.signal;
  #lastAt: number;
  #isAsking = false;

  constructor(deps: {
    readonly mongodb: Pick<OutageTracker, "check">;
    readonly sink: Pick<OutageTracker, "check" | "quietFor">;
    /** Sends the sink a cheap query. */
    readonly ask: () => Promise<unknown>;
    readonly clock: Pick<Clock, "monotonic">;
  }) {
    this.#deps = deps;
    this.#lastAt = deps.clock.monotonic();
  }

  add(reporter: Pick<StatusReporter, "beat">): Disposable {
    this.#reporters.add(reporter);
    return { [Symbol.dispose]: () => void this.#reporters.delete(reporter) };
  }

  beat(): void {
    const { mongodb, sink, ask, clock } = this.#deps;
    const now = clock.monotonic();
    const isLate = now - this.#lastAt > LATE_MS;
    this.#lastAt = now;
    if (isLate) return;
    mongodb.check();
    sink.check();
    if (!this.#isAsking && sink.quietFor >= INTERVAL_MS) {
      this.#isAsking = true;
      // The outage tracker has a failure.
      ask().catch(() => {}).finally(() => this.#isAsking = false);
    }
    for (const reporter of this.#reporters) reporter.beat();
  }

  /** Beats once a second until it is disposed of. */
  start(): Disposable {
    const timer = setInterval(() => this.beat(), INTERVAL_MS);
    return {
      [Symbol.dispose]: () => {
        clearInterval(timer);
        this.#closing.abort();
      },
    };
  }
}

/** Writes the status of one stream when it differs from the one written last. */
export class StatusReporter {
  readonly #deps;
  #reported: RelayStatus | undefined;
  #isReporting = false;

  constructor(deps: {
    readonly status: StatusSource;
    readonly report: () => Promise<void>;
    /** Called if the status cannot be written. */
    readonly fail: (error: unknown) => void;
  }) {
    this.#deps = deps;
  }

  /** Returns the status for a statement that writes it, and remembers it as written. */
  reported(): RelayStatus {
    return this.#reported = this.#deps.status.current;
  }

  beat(): void {
    const { status, report, fail } = this.#deps;
    if (this.#isReporting || !this.#reported || !differs(status.current, this.#reported)) return;
    this.#isReporting = true;
    report().catch(fail).finally(() => this.#isReporting = false);
  }
}

/** Treats the lag of an idle stream as 0. */
const differs = (one: RelayStatus, other: RelayStatus): boolean =>
  one.phase !== other.phase || Math.abs(shown(one) - shown(other)) >= LAG_STEP_MS;

const shown = ({ lag }: RelayStatus): number => lag === null || lag <= FRESH_MS ? 0 : lag;
