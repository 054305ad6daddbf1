/**
 * Runs `work` on all items, at most `limit` at once. Returns the results in the order of the items.
 * @throws the first error, after all running work has ended; starts no item after it
 */
export async function concurrently<T, R>(
  items: Iterable<T>,
  limit: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  const queue = Iterator.from(items);
  let index = 0;
  await inParallel(limit, () => {
    const { value, done } = queue.next();
    const at = index++;
    return done ? undefined : async () => void (results[at] = await work(value));
  });
  return results;
}

export class Semaphore {
  readonly #limit: () => number;
  #taken = 0;
  readonly #waiting: { readonly weight: number; readonly enter: () => void }[] = [];

  /** @param limit a number, or how to find it each time */
  constructor(limit: number | (() => number)) {
    this.#limit = typeof limit === "number" ? () => limit : limit;
  }

  /** Runs the work when the limit allows it, in the order of the calls. Work above the limit runs alone. */
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
      if (this.#taken > 0 && this.#taken + next.weight > this.#limit()) return;
      this.#waiting.shift();
      this.#taken += next.weight;
      next.enter();
    }
  }
}

const ALL = 2 ** 32;

/**
 * Shared work overlaps with other shared work, exclusive work with nothing. First in, first out. Not reentrant.
 * @example IN: shared(a), shared(b), exclusive(c), shared(d) → OUT: a and b at once, then c, then d
 */
export class ReadWriteLock {
  readonly #semaphore = new Semaphore(ALL);

  shared<T>(work: () => Promise<T>): Promise<T> {
    return this.#semaphore.run(work);
  }

  exclusive<T>(work: () => Promise<T>): Promise<T> {
    return this.#semaphore.run(work, ALL);
  }
}

/** The same values. Requests each one while the caller uses the one before it. */
export async function* readAhead<T>(source: AsyncIterable<T>): AsyncGenerator<T> {
  const iterator = source[Symbol.asyncIterator]();
  let next = iterator.next();
  try {
    while (true) {
      const { value, done } = await next;
      if (done) return;
      next = iterator.next();
      next.catch(() => {}); // The next turn throws it.
      yield value;
    }
  } finally {
    await next.catch(() => {});
    await iterator.return?.();
  }
}

/**
 * Runs work in parallel until `next` has none and all has ended. Calls `next` again whenever some work has ended, as that
 * may bring new work. After an error no work is started; it is thrown when the running work has ended.
 */
export async function inParallel(
  atMost: number,
  next: () => (() => Promise<void>) | undefined,
): Promise<void> {
  const running = new Set<Promise<void>>();
  const failures: unknown[] = [];
  while (true) {
    while (running.size < atMost && failures.length === 0) {
      const work = next();
      if (!work) break;
      const run: Promise<void> = work()
        .catch((error) => void failures.push(error))
        .finally(() => running.delete(run));
      running.add(run);
    }
    if (running.size === 0) break;
    await Promise.race(running);
  }
  if (failures.length > 0) throw failures[0];
}

/** @returns the result of the work. @throws the signal's reason once it is aborted; the work goes on then */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener("abort", onAbort);
  if (signal.aborted) onAbort();
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** The value of a key, made at the first call. After a failure the next call makes it again. */
export function shared<Value>(all: Map<string, Promise<Value>>, key: string, make: () => Promise<Value>) {
  const made = all.get(key) ?? make();
  all.set(key, made);
  made.catch(() => all.delete(key));
  return made;
}
