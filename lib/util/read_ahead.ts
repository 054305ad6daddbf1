/**
 * The same values, each of which is asked for while the one before it is used.
 *
 * @throws what the source throws, when it is that value's turn
 */
export async function* readAhead<T>(source: AsyncIterable<T>): AsyncGenerator<T> {
  const iterator = source[Symbol.asyncIterator]();
  let next = iterator.next();
  try {
    while (true) {
      const { value, done } = await next;
      if (done) return;
      next = iterator.next();
      next.catch(() => {}); // It is thrown where it is awaited.
      yield value;
    }
  } finally {
    await next.catch(() => {});
    await iterator.return?.();
  }
}
