/** A stream that a part of the bytes may be written to. */
export interface ByteSink {
  writeSync(bytes: Uint8Array): number;
}

/**
 * Writes a whole text, in as many writes as it takes.
 *
 * @throws BrokenPipe when nobody reads any more
 */
export function writeAll(stream: ByteSink, text: string): void {
  let rest = new TextEncoder().encode(text);
  while (rest.length > 0) rest = rest.subarray(stream.writeSync(rest));
}
