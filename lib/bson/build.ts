/** Builds BSON by the byte, so that values keep theirs. */
import type { BsonValue } from "./bson.ts";

/** @example IN: "n", Int32(1) → OUT: 10 6e 00 01 00 00 00 */
export const elementOf = (name: string, { type, bytes, offset, length }: BsonValue): Uint8Array =>
  joined([
    Uint8Array.of(type),
    new TextEncoder().encode(`${name}\0`),
    bytes.subarray(offset, offset + length),
  ]);

/** A document of these elements. */
export function documentOf(elements: readonly Uint8Array[]): Uint8Array {
  const document = joined([new Uint8Array(4), ...elements, new Uint8Array(1)]);
  new DataView(document.buffer).setInt32(0, document.length, true);
  return document;
}

/** The bytes of all parts, one after the other. */
export function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}
