/** Writes whose answers were lost: the server may still run them, and would overwrite newer values of the same rows. */
import { type Clock, SYSTEM_CLOCK } from "../../util/clock.ts";
import { type Logger, QUIET } from "../../util/log.ts";
import { isAnswerLost, unlessKind } from "./sink_error.ts";
import { type Query, type Transport, wrapped } from "./transport.ts";

const LOOK_INTERVAL_MS = 200;
/** Shorter than the limit of other statements, so that a silent server delays a write less. */
const ANSWER_LIMIT_MS = 10_000;
/** CrateDB lists some statements forever that have failed. */
const LONGEST_WAIT_MS = 120_000;

export interface CountingTransport extends Transport {
  /** Whether a statement that writes rows may still be running, even if its caller has stopped waiting. */
  readonly writing: boolean;
  /** Resolves once no write whose answer was lost is running. All callers wait together. @throws AbortError once it is closed */
  settled(): Promise<void>;
  /** Resolves once every write has ended or lost its answer, also those whose callers have stopped waiting. */
  idle(): Promise<void>;
}

export function countingWrites(
  transport: Transport,
  { clock = SYSTEM_CLOCK, log = QUIET }: { clock?: Pick<Clock, "monotonic" | "wait">; log?: Logger } = {},
): CountingTransport {
  const mark = new StatementMark();
  /** When the answer of each was lost, by its id. */
  const lost = new Map<string, number>();
  const inProgress = new Set<Promise<unknown>>();
  const closing = new AbortController();
  let settling: Promise<void> | undefined;
  let hasWarned = false;
  const waitForAll = async (): Promise<void> => {
    while (lost.size > 0) {
      closing.signal.throwIfAborted();
      // The answer may lack writes that are lost after the question.
      const asked = [...lost];
      const running = await mark.running(transport);
      if (!running && !hasWarned) {
        const hint = "GRANT DQL ON TABLE sys.jobs TO <user>";
        log.warn("The answer of a write was lost, and the user may not see whether it still runs", { hint });
        hasWarned = true;
      }
      for (const [id, since] of asked) {
        if (running?.has(id) && clock.monotonic() - since < LONGEST_WAIT_MS) continue;
        if (running?.has(id)) {
          log.warn("A write whose answer was lost is still listed as running: going on", { id });
        }
        lost.delete(id);
      }
      if (lost.size > 0) await clock.wait(LOOK_INTERVAL_MS, { signal: closing.signal });
    }
  };
  const query: Query = async (...statement) => {
    const [sql, parameters, options] = statement;
    if (!options?.writes) return await transport.query(...statement);
    const marked = mark.mark(sql);
    const write = transport.query(marked.sql, parameters, options);
    inProgress.add(write);
    try {
      return await write;
    } catch (error) {
      if (isAnswerLost(error)) lost.set(marked.id, clock.monotonic());
      throw error;
    } finally {
      inProgress.delete(write);
    }
  };
  return {
    ...wrapped(transport, query),
    get writing() {
      return inProgress.size > 0 || lost.size > 0;
    },
    async idle() {
      while (inProgress.size > 0) await Promise.allSettled(inProgress);
    },
    settled: async () => {
      if (lost.size > 0) await (settling ??= waitForAll().finally(() => settling = undefined));
    },
    async [Symbol.asyncDispose]() {
      closing.abort();
      await transport[Symbol.asyncDispose]();
    },
  };
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
    const pattern = `/* cdc-relay ${this.#session}-%`;
    const limits = { limitMs: ANSWER_LIMIT_MS };
    const found = await transport.query(transport.dialect.running, [pattern], limits)
      .catch(unlessKind("unknown schema", "unknown relation", "privilege"));
    return found &&
      new Set(found.rows.map(([text]) => /^\/\* cdc-relay (\S+) /.exec(String(text))?.[1] ?? ""));
  }
}
