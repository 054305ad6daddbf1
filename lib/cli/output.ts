/** Standard output: the results of a command. */
import { messageOf, UserError } from "../util/errors.ts";
import { isBrokenPipe, type OutputStream } from "../util/standard_streams.ts";

export class Output {
  readonly #stream: Pick<OutputStream, "write">;
  readonly #closed = new AbortController();
  /** Aborted when the reader has closed the output: a command that prints forever then ends. */
  readonly closed = this.#closed.signal;

  constructor(stream: Pick<OutputStream, "write">) {
    this.#stream = stream;
  }

  /** Writes a text and a line end, unless the output is closed. Returns whether it is still open. */
  print(text: string): boolean {
    if (this.closed.aborted) return false;
    try {
      this.#stream.write(`${text}\n`);
    } catch (cause) {
      if (!isBrokenPipe(cause)) {
        throw new UserError(`Standard output cannot be written: ${messageOf(cause)}`, {
          hint: "Check whether the disk is full. The output is incomplete.",
          cause,
        });
      }
      this.#closed.abort();
    }
    return !this.closed.aborted;
  }
}
