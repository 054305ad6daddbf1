/**
 * Writes JSON from bytes to bytes, without a string for each value. What is written is the inside of a JSON string, which
 * is how both transports send an object: `{"a":1}` is written as `{\"a\":1}`. To escape the JSON afterwards would take a
 * quarter of the time again.
 */
import { Buffer, isUtf8 } from "node:buffer";
import { UnstorableError } from "./errors.ts";

/** Texts that are written into one buffer. A longer one gets its own. */
const BUFFER_BYTES = 2 ** 18;
const GROWTH = 2;
/** Bytes are copied in words of four, which takes less than half the time of a loop over single bytes. */
const WORD = 4;
/** Of a shorter text, words save less than it costs to make a view of its document. */
const MIN_WORDS_TEXT = 48;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

const unquoted = (json: string): string => json.slice(1, -1);

/** JSON text as the inside of a JSON string, in UTF-8. @example IN: {"a":1} → OUT: the bytes of {\"a\":1} */
export const jsonBytes = (json: string): Uint8Array => encoder.encode(unquoted(JSON.stringify(json)));

/** The inverse of {@linkcode jsonBytes}. */
export const jsonOfBytes = (bytes: Uint8Array): string => JSON.parse(`"${decoder.decode(bytes)}"`);

/** Each byte as a character, for patterns that look for ASCII. */
export const latin1 = ({ buffer, byteOffset, length }: Uint8Array): string =>
  Buffer.from(buffer, byteOffset, length).toString("latin1");

/** JSON that is written often, in words. */
export interface JsonPart {
  readonly words: Int32Array;
  /** In bytes. */
  readonly length: number;
}

export function jsonPart(json: string): JsonPart {
  const bytes = jsonBytes(json);
  const words = new Int32Array(Math.ceil(bytes.length / WORD));
  new Uint8Array(words.buffer).set(bytes);
  return { words, length: bytes.length };
}

export const JSON_PART = {
  null: jsonPart("null"),
  true: jsonPart("true"),
  false: jsonPart("false"),
  fraction: jsonPart(".0"),
} as const;

/** The characters between the values of JSON. */
export const SIGN = {
  comma: 0x2c,
  objectStart: 0x7b,
  objectEnd: 0x7d,
  arrayStart: 0x5b,
  arrayEnd: 0x5d,
} as const;

/** Around a string. */
export const QUOTES_BYTES = 2 * jsonBytes('"').length;
const BACKSLASH = 0x5c;
const QUOTATION_MARK = 0x22;
const ZERO = 0x30;
const MINUS = 0x2d;
const POINT = 0x2e;

/** Of each character of ASCII in a JSON string: what is written for it if it is not itself. */
const ESCAPES = Array.from({ length: 0x80 }, (_, code) => {
  const json = unquoted(JSON.stringify(String.fromCharCode(code)));
  return json.length > 1 ? jsonPart(json) : undefined;
});
/** Whether a byte is copied into a JSON string as it is: in UTF-8, and in ASCII. */
const IS_PLAIN = Uint8Array.from({ length: 0x100 }, (_, byte) => ESCAPES[byte] ? 0 : 1);
const IS_PLAIN_ASCII = IS_PLAIN.map((isPlain, byte) => byte < 0x80 ? isPlain : 0);

/** Of the bytes of a word. */
const HIGH_BITS = 0x80808080 | 0;
/** Whether the processor has the least byte of a word first. */
const NATIVE = new Uint8Array(Int32Array.of(1).buffer)[0] === 1;

const HEX = Array.from({ length: 0x100 }, (_, byte) => byte.toString(16).padStart(2, "0"));
const HIGH_DIGITS = Uint8Array.from(HEX, (hex) => hex.charCodeAt(0));
const LOW_DIGITS = Uint8Array.from(HEX, (hex) => hex.charCodeAt(1));

/** Below it, an integer's digits are found by divisions of 32 bits. */
const HALF = 1e9;
const HALF_DIGITS = 9;
const viewOf = ({ buffer, byteOffset, length }: Uint8Array) => new DataView(buffer, byteOffset, length);

/** Most decimals have no more digits after the point. */
const DECIMALS = 6;
const SCALE = 10 ** DECIMALS;
/** Of decimals of up to 15 digits, no two are the same double, so the one that is found is the shortest. */
const MAX_SCALED = 1e15;

export class JsonWriter {
  #bytes = new Uint8Array(0);
  #view = viewOf(this.#bytes);
  /** What {@linkcode text} has read from last. */
  #source: Uint8Array = this.#bytes;
  #sourceView = this.#view;
  #start = 0;
  #end = 0;

  /** Begins a text of about that many bytes, and discards one that was not taken. */
  begin(bytes: number): void {
    this.#end = this.#start;
    this.#reserve(bytes);
  }

  /** The bytes of this text so far. */
  get length(): number {
    return this.#end - this.#start;
  }

  /** Takes back what was written after that length. */
  truncate(length: number): void {
    this.#end = this.#start + length;
  }

  /** The text, whose bytes do not change any more. */
  take(): Uint8Array {
    const text = this.#bytes.subarray(this.#start, this.#end);
    this.#start = this.#end;
    // The last text keeps its buffer in memory, and the writer must not.
    if (this.#bytes.length > BUFFER_BYTES) {
      this.#view = viewOf(this.#bytes = new Uint8Array(this.#start = this.#end = 0));
    }
    this.#source = this.#bytes;
    return text;
  }

  /** The name of the next member of an object whose members begin at `start`. */
  member(name: JsonPart, start: number): void {
    if (this.length > start) this.sign(SIGN.comma);
    this.part(name);
  }

  part({ words, length }: JsonPart): void {
    // The last word may go beyond the part, and is written over.
    this.#reserve(length + WORD);
    const view = this.#view;
    const start = this.#end;
    this.#end += length;
    for (let at = 0; at < words.length; at++) view.setInt32(start + at * WORD, words[at] as number, NATIVE);
  }

  /** Text of ASCII that needs no escape, such as a number. */
  ascii(text: string): void {
    const { length } = text;
    this.#reserve(length);
    const bytes = this.#bytes;
    const to = this.#end;
    for (let at = 0; at < length; at++) bytes[to + at] = text.charCodeAt(at);
    this.#end = to + length;
  }

  /** The quotation mark at the start or the end of a string. */
  quote(): void {
    this.sign(BACKSLASH);
    this.sign(QUOTATION_MARK);
  }

  /** One character of ASCII that needs no escape. */
  sign(code: number): void {
    this.#reserve(1);
    this.#bytes[this.#end++] = code;
  }

  /** UTF-8 as a JSON string. @throws UnstorableError for bytes that are not UTF-8 @example IN: the bytes of a"b → OUT: \"a\\\"b\" */
  text(source: Uint8Array, start: number, end: number): void {
    this.#reserve(end - start + QUOTES_BYTES);
    this.quote();
    let isAscii = true;
    for (let from = start; from < end;) {
      if (end - from >= MIN_WORDS_TEXT) from = this.#copyWords(source, from, end, isAscii ? HIGH_BITS : 0);
      from = this.#copyPlain(isAscii ? IS_PLAIN_ASCII : IS_PLAIN, source, from, end);
      if (from === end) break;
      const escape = ESCAPES[source[from] as number];
      if (escape) {
        this.part(escape);
        this.#reserve(end - ++from + QUOTES_BYTES);
      } else {
        if (!isUtf8(source.subarray(start, end))) throw notUtf8(start);
        isAscii = false;
      }
    }
    this.quote();
  }

  /** Digits of bytes, two for each. @example IN: 1, 255 → OUT: 01ff */
  hex(source: Uint8Array, start: number, end: number): void {
    this.#reserve(2 * (end - start));
    for (let at = start; at < end; at++) {
      const byte = source[at] as number;
      this.#bytes[this.#end++] = HIGH_DIGITS[byte] as number;
      this.#bytes[this.#end++] = LOW_DIGITS[byte] as number;
    }
  }

  /** An integer that a number holds exactly. */
  integer(value: number): void {
    this.#reserve(2 * HALF_DIGITS);
    if (value < 0) {
      this.#bytes[this.#end++] = MINUS;
      value = -value;
    }
    const high = value < HALF ? 0 : Math.floor(value / HALF);
    if (high > 0) this.#digits(high, digitsOf(high));
    const low = value - high * HALF;
    this.#digits(low, high > 0 ? HALF_DIGITS : digitsOf(low));
  }

  /** A double as JSON that is read back as a double. @example IN: 1 → OUT: 1.0; IN: 1e21 → OUT: 1e+21; IN: NaN → OUT: \"NaN\" */
  double(value: number): void {
    // The runtime's text of a number takes several times as long as these digits.
    const scaled = Math.round(Math.abs(value) * SCALE);
    if (scaled === 0 || scaled >= MAX_SCALED || scaled / SCALE !== Math.abs(value)) {
      return this.#shortest(value);
    }
    this.#reserve(2 * HALF_DIGITS);
    if (value < 0) this.#bytes[this.#end++] = MINUS;
    const whole = Math.floor(scaled / SCALE);
    this.#digits(whole, digitsOf(whole));
    this.#bytes[this.#end++] = POINT;
    this.#digits(scaled - whole * SCALE, DECIMALS);
    while (this.#bytes[this.#end - 1] === ZERO && this.#bytes[this.#end - 2] !== POINT) this.#end--;
  }

  #shortest(value: number): void {
    if (!Number.isFinite(value)) {
      this.quote();
      this.ascii(String(value));
      return this.quote();
    }
    const text = Object.is(value, -0) ? "-0" : String(value);
    this.ascii(text);
    if (Number.isInteger(value) && !text.includes("e")) this.part(JSON_PART.fraction);
  }

  /** The last digits of an integer of 32 bits. */
  #digits(value: number, count: number): void {
    const bytes = this.#bytes;
    const start = this.#end;
    this.#end += count;
    // The engine replaces a division by a constant with a multiplication only for integers of 32 bits.
    let left = value | 0;
    for (let at = this.#end - 1; at >= start; at--) {
      const rest = left / 10 | 0;
      bytes[at] = ZERO + left - rest * 10;
      left = rest;
    }
  }

  /** @returns the offset of the first byte that is not copied as it is */
  #copyPlain(isPlain: Uint8Array, source: Uint8Array, from: number, end: number): number {
    const bytes = this.#bytes;
    let to = this.#end;
    let at = from;
    for (; at < end; at++) {
      const byte = source[at] as number;
      if (isPlain[byte] !== 1) break;
      bytes[to++] = byte;
    }
    this.#end = to;
    return at;
  }

  /** Copies words of which no byte is escaped or has one of these bits. @returns the offset of the first other word */
  #copyWords(source: Uint8Array, from: number, end: number, bits: number): number {
    if (source !== this.#source) this.#sourceView = viewOf(this.#source = source);
    const [sourceView, view] = [this.#sourceView, this.#view];
    let to = this.#end;
    let at = from;
    for (; at + WORD <= end; at += WORD, to += WORD) {
      const word = sourceView.getInt32(at, true);
      const quotation = word ^ 0x22222222;
      const backslash = word ^ 0x5c5c5c5c;
      const control = (word - 0x20202020) & ~word;
      const zero = (quotation - 0x01010101) & ~quotation | (backslash - 0x01010101) & ~backslash;
      if (((control | zero) & HIGH_BITS | word & bits) !== 0) break;
      view.setInt32(to, word, true);
    }
    this.#end = to;
    return at;
  }

  #reserve(count: number): void {
    if (this.#end + count > this.#bytes.length) this.#grow(count);
  }

  #grow(count: number): void {
    const written = this.#bytes.subarray(this.#start, this.#end);
    const needed = written.length + count;
    // A text that outgrows what it began with may do so again with each escape.
    this.#bytes = new Uint8Array(Math.max(BUFFER_BYTES, written.length > 0 ? GROWTH * needed : needed));
    this.#view = viewOf(this.#bytes);
    this.#bytes.set(written);
    this.#start = 0;
    this.#end = written.length;
  }
}

export const notUtf8 = (at: number): UnstorableError =>
  new UnstorableError(`A text or a name has bytes that are not UTF-8 (at byte ${at})`);

/** Of a non-negative integer below 10^9. */
function digitsOf(value: number): number {
  let count = 1;
  for (let least = 10; value >= least; least *= 10) count++;
  return count;
}
