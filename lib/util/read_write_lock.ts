/** Work that may overlap, and work that may not. */

/**
 * Shared work overlaps with other shared work; exclusive work with none. Whoever comes first goes first, so that nobody
 * waits for ever. Work that holds the lock must not ask for it again.
 *
 * @example
 * IN: shared(a), shared(b), exclusive(c), shared(d) → OUT: a and b at once, then c, then d
 */
export class ReadWriteLock {
  /** Settles when the exclusive work that was asked for last is done. */
  #exclusive: Promise<unknown> = Promise.resolve();
  /** Shared work that was asked for since then. */
  #shared = new Set<Promise<unknown>>();

  shared<T>(work: () => Promise<T>): Promise<T> {
    const all = this.#shared;
    const running = this.#exclusive.then(work);
    const settled = running.then(() => {}, () => {}).finally(() => all.delete(settled));
    all.add(settled);
    return running;
  }

  exclusive<T>(work: () => Promise<T>): Promise<T> {
    const running = Promise.all([this.#exclusive, ...this.#shared]).then(work);
    this.#exclusive = running.catch(() => {});
    this.#shared = new Set();
    return running;
  }
}
