import { stripVTControlCharacters } from "node:util";

/** The seconds that each file's tests took, from the lines that `deno test` prints. */
export class FileTimes {
  readonly #seconds: Record<string, number> = {};
  #file = "";

  /**
   * Adds a line.
   *
   * @example
   * IN: "running 1 test from ./a_test.ts", "works ... ok (1m2s)", "./b_test.ts => fails ... FAILED (500ms)"
   * OUT: {"./a_test.ts": 62, "./b_test.ts": 0.5}
   */
  add(text: string): void {
    const line = stripVTControlCharacters(text);
    this.#file = /^running \d+ tests? from (\S+)$/.exec(line)?.[1] ?? this.#file;
    const [, minutes = 0, amount, unit = ""] =
      /(?:ok|FAILED) \((?:(\d+)m)?(?:(\d+)(s|ms|µs))?\)$/.exec(line) ?? [];
    if (amount === undefined && minutes === 0) return;
    const file = /^(\S+) => /.exec(line)?.[1] ?? this.#file;
    const seconds = Number(minutes) * 60 + Number(amount ?? 0) * (UNITS[unit] ?? 0);
    this.#seconds[file] = (this.#seconds[file] ?? 0) + seconds;
  }

  /** The files that took longest, the slowest first. */
  slowest(count: number): [file: string, seconds: number][] {
    return Object.entries(this.#seconds).sort(([, one], [, other]) => other - one).slice(0, count);
  }
}

const UNITS: Readonly<Record<string, number>> = { s: 1, ms: 1e-3, µs: 1e-6 };
