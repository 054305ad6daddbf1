/**
 * JSON that keeps every digit of numbers and every key, for CrateDB's texts of objects.
 *
 * Objects are not parsed by the engine: V8 15.0 (Deno 2.9) takes a name with an escape for another one with a backslash that
 * it has seen at the same place before. After `{"a":1,"\\":1}` it parses `{"a":1,"\n":1}` as `{"a":1,"\\":1}`.
 */

export class Digits {
  constructor(readonly text: string) {}
}

export type Json = null | boolean | string | Digits | Json[] | Map<string, Json>;

/** @throws SyntaxError @example IN: {"n":9007199254740993,"d":1.0} → OUT: Map { "n" → Digits "9007199254740993", … } */
export const parseJson = (text: string): Json => new Parser(text).whole();

const SPACE = /[\t\n\r ]*/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?/y;
const WORDS = [["null", null], ["true", true], ["false", false]] as const;

class Parser {
  #at = 0;

  constructor(private readonly text: string) {}

  whole(): Json {
    const value = this.#value();
    if (this.#next() !== "") throw this.#error();
    return value;
  }

  #value(): Json {
    switch (this.#next()) {
      case "{":
        return new Map(this.#members("{", "}", () => {
          const name = this.#string();
          if (!this.#takes(":")) throw this.#error();
          return [name, this.#value()] as const;
        }));
      case "[":
        return this.#members("[", "]", () => this.#value());
      case '"':
        return this.#string();
    }
    const number = this.#matched(NUMBER);
    if (number !== "") return new Digits(number);
    for (const [word, value] of WORDS) if (this.#takes(word)) return value;
    throw this.#error();
  }

  #members<T>(start: string, end: string, member: () => T): T[] {
    const members: T[] = [];
    this.#takes(start);
    if (this.#takes(end)) return members;
    do members.push(member()); while (this.#takes(","));
    if (!this.#takes(end)) throw this.#error();
    return members;
  }

  #string(): string {
    if (this.#next() !== '"') throw this.#error();
    const start = this.#at;
    for (let end = start; (end = this.text.indexOf('"', end + 1)) > 0;) {
      let before = end;
      while (this.text[before - 1] === "\\") before--;
      if ((end - before) % 2 === 1) continue;
      this.#at = end + 1;
      return JSON.parse(this.text.slice(start, this.#at));
    }
    throw this.#error();
  }

  /** The next character that is not white space; none at the end. */
  #next(): string {
    this.#matched(SPACE);
    return this.text.charAt(this.#at);
  }

  #takes(token: string): boolean {
    this.#next();
    const isNext = this.text.startsWith(token, this.#at);
    if (isNext) this.#at += token.length;
    return isNext;
  }

  #matched(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const [found = ""] = pattern.exec(this.text) ?? [];
    this.#at += found.length;
    return found;
  }

  #error(): SyntaxError {
    return new SyntaxError(`Invalid JSON at character ${this.#at}`);
  }
}
/** @example IN: Map { "d" → Digits "1.0" } → OUT: {"d":1.0} */
export function jsonText(value: Json): string {
  if (value instanceof Digits) return value.text;
  if (value instanceof Map) {
    return `{${[...value].map(([name, each]) => `${JSON.stringify(name)}:${jsonText(each)}`).join(",")}}`;
  }
  return Array.isArray(value) ? `[${value.map(jsonText).join(",")}]` : JSON.stringify(value);
}

/** Whether a value is null, or an array of only null at any depth. */
export const isNothing = (value: Json): boolean =>
  value === null || Array.isArray(value) && value.every(isNothing);
