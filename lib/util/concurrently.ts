/**
 * Runs `work` on all items, at most `limit` at once, and gives the results in the order of the items.
 *
 * @throws the first error, after all running work has ended; starts no item after it
 */
export async function concurrently<T, R>(
  items: Iterable<T>,
  limit: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  const failures: unknown[] = [];
  const queue = Iterator.from(items);
  let index = 0;
  const lane = async () => {
    for (let next = queue.next(); !next.done && failures.length === 0; next = queue.next()) {
      const at = index++;
      try {
        results[at] = await work(next.value);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: limit }, lane));
  if (failures.length > 0) throw failures[0];
  return results;
}
