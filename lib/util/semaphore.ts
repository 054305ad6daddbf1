/** Bounds how much work is under way, whoever asks for it. */
export class Semaphore {
  readonly #limit: number;
  #taken = 0;
  readonly #waiting: { readonly weight: number; readonly enter: () => void }[] = [];

  /** @param limit how much may be under way at once, in whatever is counted */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /**
   * Runs the work as soon as there is room for it, in the order in which it was asked for.
   *
   * @param weight how much it is; more than the limit runs alone
   */
  async run<T>(work: () => Promise<T>, weight = 1): Promise<T> {
    await new Promise<void>((enter) => {
      this.#waiting.push({ weight, enter });
      this.#admit();
    });
    try {
      return await work();
    } finally {
      this.#taken -= weight;
      this.#admit();
    }
  }

  #admit(): void {
    for (let next = this.#waiting[0]; next; next = this.#waiting[0]) {
      if (this.#taken > 0 && this.#taken + next.weight > this.#limit) return;
      this.#waiting.shift();
      this.#taken += next.weight;
      next.enter();
    }
  }
}
