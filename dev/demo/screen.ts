/** Output of the demo: data on standard output, progress on standard error. */
import { stripVTControlCharacters, styleText } from "node:util";
import { type OutputStream, STDERR, STDOUT, terminalColumns } from "../../lib/util/standard_streams.ts";

const WIDTH = { least: 60, most: 132, elsewhere: 110 } as const;

/** Text in colour on a terminal, and plain otherwise. */
export interface Screen {
  /** Characters in a line. */
  readonly width: number;
  strong(text: string): string;
  faint(text: string): string;
  /** Prints lines of data. */
  print(...lines: string[]): void;
  /** Prints a line of progress. */
  note(line: string): void;
}

/** Respects `NO_COLOR` and `TERM=dumb`. */
export function createScreen(env: Readonly<Record<string, string | undefined>>): Screen {
  const columns = terminalColumns();
  const colour = columns !== undefined && !env.NO_COLOR && env.TERM !== "dumb";
  const paint = (style: "bold" | "dim") => (text: string) =>
    colour ? styleText(style, text, { validateStream: false }) : text;
  const width = columns === undefined
    ? WIDTH.elsewhere
    : Math.min(WIDTH.most, Math.max(WIDTH.least, columns));
  const write = (stream: OutputStream, lines: readonly string[]): void => {
    const fitted = columns === undefined ? lines : lines.flatMap((line) => wrapped(line, width));
    stream.write(fitted.map((line) => `${line}\n`).join(""));
  };
  return {
    width,
    strong: paint("bold"),
    faint: paint("dim"),
    print: (...lines) => write(STDOUT, lines),
    note: (line) => write(STDERR, [line]),
  };
}

/**
 * Breaks a line between words, and indents the following lines by two more spaces.
 *
 * @example
 * IN: "  one two three", 12 → OUT: ["  one two", "    three"]
 */
export function wrapped(line: string, width: number): string[] {
  const lengthOf = (text: string) => stripVTControlCharacters(text).length;
  if (lengthOf(line) <= width) return [line];
  const [indent = ""] = /^ */.exec(line) ?? [];
  const lines: string[] = [];
  let current = indent;
  for (const [word] of line.slice(indent.length).matchAll(/\S+ */g)) {
    if (current.trim() !== "" && lengthOf(current + word.trimEnd()) > width) {
      lines.push(current.trimEnd());
      current = `${indent}  `;
    }
    current += word;
  }
  return [...lines, current];
}
