/**
 * Writes whose answers were lost: the connection broke, or the answer was late. The server may still run them, and would
 * overwrite newer values of the same rows.
 */
import type { Clock } from "../../util/clock.ts";
import type { Logger } from "../../util/log.ts";
import { isAnswerLost, isSinkError } from "./sink_error.ts";
import type { Query, Result, Transport } from "./transport.ts";

const LOOK_INTERVAL_MS = 200;
/** Shorter than the limit of other statements, so that a silent server delays a write less. */
const ANSWER_LIMIT_MS = 10_000;
/** CrateDB lists some statements forever that have failed. */
const LONGEST_WAIT_MS = 120_000;

export interface LostWritesOptions {
  readonly clock: Pick<Clock, "monotonic" | "wait">;
  readonly log: Logger;
}

export class LostWrites implements Disposable {
  readonly #transport: Transport;
  readonly #options: LostWritesOptions;
  readonly #mark = new StatementMark();
  /** When the answer of each was lost, by its id. */
  readonly #lost = new Map<string, number>();
  readonly #closing = new AbortController();
  #settling: Promise<void> | undefined;
  #hasWarned = false;

  constructor(transport: Transport, options: LostWritesOptions) {
    this.#transport = transport;
    this.#options = options;
  }

  get some(): boolean {
    return this.#lost.size > 0;
  }

  /** Sends a write, and records it if its answer is lost. */
  async write(...[sql, parameters, options]: Parameters<Query>): Promise<Result> {
    const marked = this.#mark.mark(sql);
    try {
      return await this.#transport.query(marked.sql, parameters, options);
    } catch (error) {
      if (isAnswerLost(error)) this.#lost.set(marked.id, this.#options.clock.monotonic());
      throw error;
    }
  }

  /**
   * Resolves once no lost write is running. All callers wait together.
   * @throws SinkError if the server does not answer; AbortError once it is disposed of
   */
  async settled(): Promise<void> {
    if (!this.some) return;
    this.#settling ??= this.#waitForAll().finally(() => this.#settling = undefined);
    await this.#settling;
  }

  [Symbol.dispose](): void {
    this.#closing.abort();
  }

  async #waitForAll(): Promise<void> {
    const { clock, log } = this.#options;
    const { signal } = this.#closing;
    while (this.some) {
      signal.throwIfAborted();
      // The answer may lack writes that are lost after the question.
      const asked = [...this.#lost];
      const running = await this.#mark.running(this.#transport);
      if (!running && !this.#hasWarned) {
        const hint = "GRANT DQL ON TABLE sys.jobs TO <user>";
        log.warn("The answer of a write was lost, and the user may not see whether it still runs", { hint });
        this.#hasWarned = true;
      }
      for (const [id, since] of asked) {
        if (running?.has(id) && clock.monotonic() - since < LONGEST_WAIT_MS) continue;
        if (running?.has(id)) {
          log.warn("A write whose answer was lost is still listed as running: going on", { id });
        }
        this.#lost.delete(id);
      }
      if (this.some) await clock.wait(LOOK_INTERVAL_MS, { signal });
    }
  }
}

/** Finds statements that the server is running, by a comment at their beginning: servers show only the first characters. */
export class StatementMark {
  readonly #session = crypto.randomUUID();
  #count = 0;

  /** @example IN: "SELECT 1" → OUT: {id: "1b9d…-1", sql: "/* cdc-relay 1b9d…-1 *\/ SELECT 1"} */
  mark(sql: string): { readonly id: string; readonly sql: string } {
    const id = `${this.#session}-${++this.#count}`;
    return { id, sql: `/* cdc-relay ${id} */ ${sql}` };
  }

  /** The ids of marked statements that the server is running; undefined if the user may not see statements. */
  async running(transport: Transport): Promise<ReadonlySet<string> | undefined> {
    try {
      const pattern = `/* cdc-relay ${this.#session}-%`;
      const limits = { limitMs: ANSWER_LIMIT_MS };
      const { rows } = await transport.query(transport.dialect.running, [pattern], limits);
      return new Set(rows.map(([text]) => /^\/\* cdc-relay (\S+) /.exec(String(text))?.[1] ?? ""));
    } catch (error) {
      if (isSinkError(error, "unknown schema", "unknown relation", "privilege")) return undefined;
      throw error;
    }
  }
}
