/** Standard output and standard error of the demo: data on the one, progress on the other. */
import { styleText } from "node:util";
import { writeAll } from "../util/write_all.ts";

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
  const terminal = Deno.stdout.isTerminal();
  const colour = terminal && !env.NO_COLOR && env.TERM !== "dumb";
  const paint = (style: "bold" | "dim"): Paint => (text) =>
    colour ? styleText(style, text, { validateStream: false }) : text;
  return {
    width: terminal ? Math.min(WIDTH.most, Math.max(WIDTH.least, terminalWidth())) : WIDTH.elsewhere,
    strong: paint("bold"),
    faint: paint("dim"),
    print: (...lines) => write(Deno.stdout, lines),
    tell: (line) => write(Deno.stderr, [line]),
  };
}

function terminalWidth(): number {
  try {
    return Deno.consoleSize().columns;
  } catch {
    return WIDTH.elsewhere; // No standard stream says.
  }
}

const write = (stream: typeof Deno.stdout, lines: readonly string[]): void =>
  writeAll(stream, lines.map((line) => `${line}\n`).join(""));
