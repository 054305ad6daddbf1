/**
 * Opens a stream, uses it, and closes it, however that ends.
 *
 * @param open given a signal that ends the stream, also while it waits for a server
 * @throws what `open` and `use` throw
 */
export async function withStream<Each, Result>(
  open: (left: AbortSignal) => AsyncGenerator<Each>,
  use: (stream: AsyncGenerator<Each>) => Promise<Result>,
): Promise<Result> {
  const left = new AbortController();
  const stream = open(left.signal);
  try {
    return await use(stream);
  } finally {
    left.abort();
    await stream.return(undefined).catch(() => {}); // The stream is not read any further, so its errors do not matter.
  }
}
