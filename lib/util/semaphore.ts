/** Bounds how much work is under way, whoever asks for it. */
export class Semaphore {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  /** @param limit how much may be under way at once */
  constructor(limit: number) {
    this.#free = limit;
  }

  /** Runs the work as soon as there is room for it, in the order in which it was asked for. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((enter) => this.#waiting.push(enter));
    try {
      return await work();
    } finally {
      const enter = this.#waiting.shift();
      if (enter) enter();
      else this.#free++;
    }
  }
}
