/**
 * What a relay does once a second beside the replication loop, which may wait for any answer: it looks which system is
 * silent, asks the sink if nothing else does, and reports a status that has changed. So an idle relay notices a frozen
 * sink too, and `cdc_status` shows a silent MongoDB although nothing is saved.
 */
import type { Clock } from "../util/clock.ts";
import type { OutageTracker } from "../util/outage.ts";
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
/** After a longer pause this program itself was stopped or busy: answers may be there that it has not read yet. */
const LATE_MS = 3 * INTERVAL_MS;
/** A reported lag that differs by less is true enough. */
const LAG_STEP_MS = 500;

type Reported = Pick<RelayStatus, "phase" | "lag">;

export class Heartbeat {
  readonly #deps: HeartbeatDeps;
  #lastAt: number;
  #report: (() => Promise<void>) | undefined;
  #reported: Reported | undefined;
  #isAsking = false;
  #isReporting = false;

  constructor(deps: HeartbeatDeps) {
    this.#deps = deps;
    this.#lastAt = deps.clock.monotonic();
  }

  /** The status for a statement that writes it, whatever else that is for. */
  reported(): RelayStatus {
    const { current } = this.#deps.status;
    this.#reported = current;
    return current;
  }

  /** Until the result is disposed of, `report` is called if the status is another one than was written last. */
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

  /** Beats until it is disposed of. */
  start(): Disposable {
    const timer = setInterval(() => this.beat(), INTERVAL_MS);
    return { [Symbol.dispose]: () => clearInterval(timer) };
  }

  get #isNews(): boolean {
    const { current } = this.#deps.status;
    return this.#reported !== undefined && differs(current, this.#reported);
  }

  async #ask(): Promise<void> {
    this.#isAsking = true;
    // A sink that fails is an outage already; a relay that is told to stop asks no more.
    await this.#deps.ask().catch(() => {});
    this.#isAsking = false;
  }

  async #write(report: () => Promise<void>): Promise<void> {
    this.#isReporting = true;
    await report().catch(this.#deps.fail);
    this.#isReporting = false;
  }
}

/** A lag below what an idle stream may have is as good as none. */
const differs = (one: Reported, other: Reported): boolean =>
  one.phase !== other.phase || Math.abs(shown(one) - shown(other)) >= LAG_STEP_MS;

const shown = ({ lag }: Reported): number => lag === null || lag <= FRESH_MS ? 0 : lag;
