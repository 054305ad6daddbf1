/** Standard output and standard error of the demo: data on the one, progress on the other. */
import type { Environment } from "../cli/options.ts";

const WIDTH = { least: 60, most: 132, elsewhere: 110 } as const;

type Paint = (text: string) => string;
type Stream = Pick<typeof Deno.stdout, "writeSync" | "isTerminal">;

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
export function createScreen(env: Environment): Screen {
  const terminal = Deno.stdout.isTerminal();
  const colour = terminal && !env.NO_COLOR && env.TERM !== "dumb";
  const paint = (code: number): Paint => (text) => colour ? `\x1b[${code}m${text}\x1b[0m` : text;
  return {
    width: terminal ? Math.min(WIDTH.most, Math.max(WIDTH.least, terminalWidth())) : WIDTH.elsewhere,
    strong: paint(1),
    faint: paint(2),
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

function write(stream: Stream, lines: readonly string[]): void {
  let rest = new TextEncoder().encode(lines.map((line) => `${line}\n`).join(""));
  while (rest.length > 0) rest = rest.subarray(stream.writeSync(rest));
}
