/** Runs `forget`: asks first, prints what was removed, and returns the exit code. */
import { forget, type ForgetSettings, type Kept } from "../status/forget.ts";
import type { MetadataTable } from "../sink/metadata/metadata_tables.ts";
import { SYSTEM_CLOCK } from "../util/clock.ts";
import { UsageError } from "../util/errors.ts";
import { canAsk, confirmOnTerminal } from "./confirm.ts";

export interface RunForgetSettings extends ForgetSettings {
  readonly confirm: "ask" | "never";
}

export interface RunForgetContext {
  readonly signal: AbortSignal;
  /** Writes to standard output. */
  readonly print: (text: string) => void;
  /** @default {whether standard input and standard error are a terminal} */
  readonly canAsk?: () => boolean;
  /** @default {on the terminal} */
  readonly ask?: (question: string, signal: AbortSignal) => Promise<boolean>;
}

/** The answer was no. */
const DECLINED = 1;

/** @returns the exit code */
export async function runForget(settings: RunForgetSettings, context: RunForgetContext): Promise<number> {
  const { signal, print, ask = confirmOnTerminal } = context;
  const asks = settings.confirm === "ask";
  if (asks && !(context.canAsk ?? canAsk)()) {
    throw new UsageError("forget asks on a terminal before it removes anything, and this is none.", {
      hint: "--yes removes without a question.",
    });
  }
  const forgotten = await forget(settings, {
    clock: SYSTEM_CLOCK,
    confirm: async (kept) => !asks || await ask(questionText(kept), signal),
  });
  print(forgotten ? forgottenText(forgotten) : "Nothing was removed.");
  return forgotten ? 0 : DECLINED;
}

/** What a row of each table is, one and several. */
const WORDS: Readonly<Record<MetadataTable, readonly [one: string, several: string]>> = {
  cdc_position: ["position", "positions"],
  cdc_collection: ["collection", "collections"],
  cdc_dead_letter: ["dead letter", "dead letters"],
  cdc_lock: ["lock of a table", "locks of tables"],
  cdc_repair: ["repair request", "repair requests"],
  cdc_verify: ["result of verify", "results of verify"],
};

/** @example IN: {cdc_position: 1, cdc_dead_letter: 2} → OUT: 1 position, 2 dead letters */
function rowsText(rows: Kept["rows"]): string {
  const parts = Object.entries(WORDS).flatMap(([name, [one, several]]) => {
    const count = rows[name as MetadataTable] ?? 0;
    return count === 0 ? [] : [`${count} ${count === 1 ? one : several}`];
  });
  return parts.join(", ") || "nothing";
}

const namesText = ({ streams }: Kept): string => streams.map(({ stream }) => stream).join("\n");

/**
 * @example
 * OUT: shop.* -> …
 *   1 position, 3 collections
 * Tables with documents and their rows stay. A relay that follows … Remove what is kept?
 */
export const questionText = (kept: Kept): string =>
  `${namesText(kept)}\n  ${rowsText(kept.rows)}\n` +
  "Tables with documents and their rows stay. A relay that follows this stream again takes a new snapshot.\n" +
  "Remove what is kept of it?";

/** @example OUT: Forgotten: shop.* -> …\nRemoved: 1 position, 3 collections */
export const forgottenText = (kept: Kept): string =>
  kept.streams.map(({ stream }) => `Forgotten: ${stream}`).concat(`Removed: ${rowsText(kept.rows)}`).join(
    "\n",
  );
