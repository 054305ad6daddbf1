/** Standard output: the results of a command. */
import { messageOf, UserError } from "../util/errors.ts";
import { isBrokenPipe, type OutputStream } from "../util/standard_streams.ts";

export class Output {
  readonly #stream: Pick<OutputStream, "write">;
  readonly #closed = new AbortController();

  constructor(stream: Pick<OutputStream, "write">) {
    this.#stream = stream;
  }

  /** Aborted when the reader has closed the output: a command that prints forever then ends. */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  /**
   * Writes a text and a line end, unless the output is closed.
   *
   * @returns whether the output is still open
   * @throws UserError if it cannot be written
   */
  print(text: string): boolean {
    if (this.closed.aborted) return false;
    try {
      this.#stream.write(`${text}\n`);
    } catch (error) {
      if (!isBrokenPipe(error)) throw notWritten(error);
      this.#closed.abort();
    }
    return !this.closed.aborted;
  }
}

const notWritten = (cause: unknown): UserError =>
  new UserError(`Standard output cannot be written: ${messageOf(cause)}`, {
    hint: "Check whether the disk is full. The output is incomplete.",
    cause,
  });
