/**
 * The messages that a client of PostgreSQL sends, whole, with all their bytes.
 *
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html
 */
export interface FrontendMessage {
  /** The letter that says what it is; undefined for the first of a connection. */
  readonly kind: string | undefined;
  readonly bytes: Uint8Array;
}

/** A message's length field, which counts itself. */
const LENGTH_BYTES = 4;

/**
 * @example
 * IN: a Query and half of a Sync, in chunks of any size
 * OUT: {kind: "Q", bytes}; the Sync when its rest has come
 */
export async function* frontendMessages(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<FrontendMessage> {
  let isFirst = true;
  let pending: Uint8Array[] = [];
  let size = 0;
  let wanted = LENGTH_BYTES + 1;
  for await (const chunk of chunks) {
    pending.push(chunk);
    size += chunk.length;
    while (size >= wanted) {
      const bytes = joined(pending, size);
      const head: number = isFirst ? 0 : 1;
      const length: number = head + new DataView(bytes.buffer, bytes.byteOffset).getInt32(head);
      pending = [bytes];
      wanted = length;
      if (size < length) break;
      const kind = isFirst ? undefined : String.fromCharCode(bytes[0] ?? 0);
      // A request for encryption is answered, and the first message is still to come.
      isFirst &&= length === 2 * LENGTH_BYTES;
      yield { kind, bytes: bytes.subarray(0, length) };
      pending = [bytes.subarray(length)];
      size -= length;
      wanted = LENGTH_BYTES + 1;
    }
  }
}

function joined(parts: readonly Uint8Array[], size: number): Uint8Array {
  const [first] = parts;
  if (parts.length === 1 && first) return first;
  const whole = new Uint8Array(size);
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}
