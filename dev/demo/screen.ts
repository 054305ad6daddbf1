/** Standard output and standard error of the demo: data on the one, progress on the other. */
import { stripVTControlCharacters, styleText } from "node:util";
import { type OutputStream, STDERR, STDOUT, terminalColumns } from "../../lib/util/standard_streams.ts";

const WIDTH = { least: 60, most: 132, elsewhere: 110 } as const;

type Paint = (text: string) => string;

/** Text in colour on a terminal, and as it is elsewhere. */
export interface Screen {
  /** Characters in a line. */
  readonly width: number;
  readonly strong: Paint;
  readonly faint: Paint;
  /** Lines of data. */
  print(...lines: string[]): void;
  /** A line of progress. */
  tell(line: string): void;
}

/** `NO_COLOR` and `TERM=dumb` are respected. */
export function createScreen(env: Readonly<Record<string, string | undefined>>): Screen {
  const columns = terminalColumns();
  const colour = columns !== undefined && !env.NO_COLOR && env.TERM !== "dumb";
  const paint = (style: "bold" | "dim"): Paint => (text) =>
    colour ? styleText(style, text, { validateStream: false }) : text;
  const width = columns === undefined
    ? WIDTH.elsewhere
    : Math.min(WIDTH.most, Math.max(WIDTH.least, columns));
  const fit = (line: string) => columns === undefined ? [line] : wrapped(line, width);
  return {
    width,
    strong: paint("bold"),
    faint: paint("dim"),
    print: (...lines) => write(STDOUT, lines.flatMap(fit)),
    tell: (line) => write(STDERR, fit(line)),
  };
}

/**
 * Breaks a line between words. What follows is indented by two more spaces.
 *
 * @example
 * IN: "  one two three", 12 → OUT: ["  one two", "    three"]
 */
export function wrapped(line: string, width: number): string[] {
  const lengthOf = (text: string) => stripVTControlCharacters(text).length;
  if (lengthOf(line) <= width) return [line];
  const [indent = ""] = /^ */.exec(line) ?? [];
  const lines: string[] = [];
  let current = "";
  for (const [word] of line.slice(indent.length).matchAll(/\S+ */g)) {
    const before = lines.length === 0 ? indent : `${indent}  `;
    if (current !== "" && lengthOf(before + current + word.trimEnd()) > width) {
      lines.push((before + current).trimEnd());
      current = "";
    }
    current += word;
  }
  return [...lines, `${lines.length === 0 ? indent : `${indent}  `}${current}`];
}

const write = (stream: OutputStream, lines: readonly string[]): void =>
  stream.write(lines.map((line) => `${line}\n`).join(""));
