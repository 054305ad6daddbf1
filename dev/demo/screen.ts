/** Output of the demo: data on standard output, progress on standard error. */
import { styleText } from "node:util";
import { STDERR, STDOUT } from "../../lib/util/standard_streams.ts";

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
  const { columns } = STDOUT;
  const colour = columns !== undefined && !env.NO_COLOR && env.TERM !== "dumb";
  const paint = (style: "bold" | "dim") => (text: string) =>
    colour ? styleText(style, text, { validateStream: false }) : text;
  return {
    width: columns === undefined ? WIDTH.elsewhere : Math.min(WIDTH.most, Math.max(WIDTH.least, columns)),
    strong: paint("bold"),
    faint: paint("dim"),
    print: (...lines) => STDOUT.write(lines.map((line) => `${line}\n`).join("")),
    note: (line) => STDERR.write(`${line}\n`),
  };
}
