/** Finds statements that the server runs, by a comment at their beginning. */
import { isSinkError } from "./sink_error.ts";
import type { Transport } from "./transport.ts";

/** So that a look at the server is not waited for as long as a write. */
const LOOK_LIMIT_MS = 10_000;

/** A comment that no other statement has, short enough for what servers show of a statement. */
export class StatementMark {
  readonly #session = crypto.randomUUID();
  #count = 0;

  /** @example IN: "SELECT 1" → OUT: {id: "1b9d…-1", sql: "/* cdc-relay 1b9d…-1 *\/ SELECT 1"} */
  mark(sql: string): { readonly id: string; readonly sql: string } {
    const id = `${this.#session}-${++this.#count}`;
    return { id, sql: `/* cdc-relay ${id} */ ${sql}` };
  }

  /**
   * The ids of marked statements that the server runs.
   *
   * @returns undefined if the server does not let the user see its statements
   * @throws SinkError when the server does not answer
   */
  async running(transport: Transport): Promise<ReadonlySet<string> | undefined> {
    try {
      const pattern = `/* cdc-relay ${this.#session}-%`;
      const { rows } = await transport.query(transport.dialect.running, [pattern], {
        limitMs: LOOK_LIMIT_MS,
      });
      return new Set(rows.map(([text]) => /^\/\* cdc-relay (\S+) /.exec(String(text))?.[1] ?? ""));
    } catch (error) {
      if (isSinkError(error, "unknown schema", "unknown relation", "privilege")) return undefined;
      throw error;
    }
  }
}
