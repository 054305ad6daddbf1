/**
 * Runs once a second beside the replication loop, which may be waiting for any answer: checks for silent systems, asks the
 * sink if nothing else does, and writes a status that has changed. So an idle relay notices a frozen sink, and
 * `cdc_status` shows a silent MongoDB although no position is saved.
 */
import type { Clock } from "../../util/clock.ts";
import type { OutageTracker } from "../../util/outage.ts";
import type { RelayStatus, StatusSource } from "./relay_status.ts";
import { FRESH_MS } from "./stream_lag.ts";

export interface HeartbeatDeps {
  readonly mongodb: Pick<OutageTracker, "check">;
  readonly sink: Pick<OutageTracker, "check" | "quietFor">;
  readonly status: StatusSource;
  /** Asks the sink something cheap. */
  readonly ask: () => Promise<unknown>;
  /** Called if the status cannot be written. */
  readonly fail: (error: unknown) => void;
  readonly clock: Pick<Clock, "monotonic">;
}

const INTERVAL_MS = 1_000;
/** After a longer pause this program itself was stopped or busy, and may not have read all answers yet. */
const LATE_MS = 3 * INTERVAL_MS;
/** A change of the lag by less than this is not reported. In milliseconds. */
const LAG_STEP_MS = 500;

type Reported = Pick<RelayStatus, "phase" | "lag">;

export class Heartbeat {
  readonly #deps: HeartbeatDeps;
  #lastAt: number;
  #report: (() => Promise<void>) | undefined;
  #reported: Reported | undefined;
  readonly #closing = new AbortController();
  #isAsking = false;
  #isReporting = false;

  constructor(deps: HeartbeatDeps) {
    this.#deps = deps;
    this.#lastAt = deps.clock.monotonic();
  }

  /** Aborted when the beating ends: then the sink is not to be asked any more. */
  get closed(): AbortSignal {
    return this.#closing.signal;
  }

  /** Returns the status for a statement that writes it, and remembers it as reported. */
  reported(): RelayStatus {
    const { current } = this.#deps.status;
    this.#reported = current;
    return current;
  }

  /** Calls `report` when the status differs from the one written last, until the result is disposed of. */
  reportBy(report: () => Promise<void>): Disposable {
    this.#report = report;
    return { [Symbol.dispose]: () => this.#report = undefined };
  }

  /** Call it once a second. */
  beat(): void {
    const { mongodb, sink, clock } = this.#deps;
    const now = clock.monotonic();
    const isLate = now - this.#lastAt > LATE_MS;
    this.#lastAt = now;
    if (isLate) return;
    mongodb.check();
    sink.check();
    if (!this.#isAsking && sink.quietFor >= INTERVAL_MS) void this.#ask();
    if (!this.#isReporting && this.#report && this.#isNews) void this.#write(this.#report);
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

  get #isNews(): boolean {
    const { current } = this.#deps.status;
    return this.#reported !== undefined && differs(current, this.#reported);
  }

  async #ask(): Promise<void> {
    this.#isAsking = true;
    // The failure is part of the outage already.
    await this.#deps.ask().catch(() => {});
    this.#isAsking = false;
  }

  async #write(report: () => Promise<void>): Promise<void> {
    this.#isReporting = true;
    await report().catch(this.#deps.fail);
    this.#isReporting = false;
  }
}

/** Treats the lag of an idle stream as 0. */
const differs = (one: Reported, other: Reported): boolean =>
  one.phase !== other.phase || Math.abs(shown(one) - shown(other)) >= LAG_STEP_MS;

const shown = ({ lag }: Reported): number => lag === null || lag <= FRESH_MS ? 0 : lag;
