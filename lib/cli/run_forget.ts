/** Runs `forget`: asks for confirmation, and prints what was deleted. */
import process from "node:process";
import { createInterface } from "node:readline";
import { isatty } from "node:tty";
import type { forgetConfig } from "../config/config.ts";
import type { MetadataTable } from "../sink/metadata/metadata_tables.ts";
import { forget, type Kept } from "../status/forget.ts";
import { SYSTEM_CLOCK } from "../util/clock.ts";
import { UsageError } from "../util/errors.ts";
import type { CommandContext } from "./command.ts";

/** Standard input and standard error. */
const isTerminal = (): boolean => isatty(0) && isatty(2);

const DECLINED = 1;

export async function runForget(
  settings: ReturnType<typeof forgetConfig>,
  { signal, print }: Pick<CommandContext, "signal" | "print">,
  canAsk = isTerminal,
): Promise<number> {
  const asks = settings.confirm === "ask";
  if (asks && !canAsk()) {
    throw new UsageError("forget asks for confirmation on a terminal, and this is not a terminal.", {
      hint: "Give --yes to delete without a question.",
    });
  }
  const forgotten = await forget(settings, {
    clock: SYSTEM_CLOCK,
    confirm: async (kept) =>
      !asks || await confirm(questionText(kept), process.stdin, process.stderr, signal),
  });
  print(forgotten ? forgottenText(forgotten) : "Nothing was deleted.");
  return forgotten ? 0 : DECLINED;
}

/** What a row of each table is. */
const WORDS: Readonly<Record<MetadataTable, string>> = {
  cdc_position: "position",
  cdc_collection: "collection",
  cdc_control: "control request",
  cdc_dead_letter: "dead letter",
  cdc_events: "event",
  cdc_lock: "table lock",
  cdc_settings: "list of settings",
  cdc_verify: "verify result",
};

/** @example IN: {cdc_position: 1, cdc_dead_letter: 2} → OUT: 1 position, 2 dead letters */
function rowsText(rows: Kept["rows"]): string {
  const parts = Object.entries(WORDS).flatMap(([name, word]) => {
    const count = rows[name as MetadataTable] ?? 0;
    return count === 0 ? [] : [`${count} ${word}${count === 1 ? "" : "s"}`];
  });
  return parts.join(", ") || "nothing";
}

/**
 * @example
 * OUT: shop.* -> …
 *   1 position, 3 collections
 * Tables with documents stay. … Delete the saved state?
 */
export const questionText = ({ streams, rows }: Kept): string =>
  `${streams.map(({ stream }) => stream).join("\n")}\n  ${rowsText(rows)}\n` +
  "Tables with documents stay. A relay that follows this stream again takes a new snapshot.\n" +
  "Delete the saved state?";

/** @example OUT: Forgotten: shop.* -> …\nDeleted: 1 position, 3 collections */
export const forgottenText = ({ streams, rows }: Kept): string =>
  [...streams.map(({ stream }) => `Forgotten: ${stream}`), `Deleted: ${rowsText(rows)}`].join("\n");

/**
 * Asks a question and waits for a line. Any answer but yes means no, as do the end of the input and an aborted signal.
 * @example IN: "Remove it?", and "y" is typed → OUT: true
 */
export async function confirm(
  question: string,
  input: NodeJS.ReadableStream,
  output: NodeJS.WritableStream,
  signal: AbortSignal,
): Promise<boolean> {
  output.write(`${question} [y/N] `);
  // A terminal in raw mode would swallow Ctrl-C.
  for await (const answer of createInterface({ input, terminal: false, signal })) {
    return /^\s*y(?:es)?\s*$/i.test(answer);
  }
  if (signal.aborted) output.write("\n");
  return false;
}
