/** `status`: tells how all streams are, once or again and again. Reads CrateDB alone. */
import { openTransport } from "../sink/connection/open_transport.ts";
import { isRetryable } from "../sink/connection/sink_error.ts";
import type { SinkAddress } from "../sink/connection/url.ts";
import type { Clock } from "../util/clock.ts";
import { messageOf } from "../util/errors.ts";
import { statusText } from "./status_text.ts";
import { readStreams, type StreamStatus } from "./stream_status.ts";

export interface StatusSettings {
  readonly sink: SinkAddress;
  /** The one stream to tell of, with all its parts, where names without a schema are in this one; undefined for all. */
  readonly streamIn: ((schema: string) => string) | undefined;
  /** Milliseconds; a stream that is further behind has a problem. */
  readonly maxLag: number;
  readonly output: "text" | "json";
  readonly runs: "once" | "forever";
}

export interface StatusContext {
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /** Characters in a line; undefined where standard output is no terminal, and nothing is drawn over. */
  readonly columns: number | undefined;
  readonly print: (text: string) => void;
}

const INTERVAL_MS = 1_000;
const WIDTH_ELSEWHERE = 200;

/** @returns whether all streams are well, and there is one */
export async function status(settings: StatusSettings, context: StatusContext): Promise<boolean> {
  await using transport = await openTransport(settings.sink);
  const stream = settings.streamIn?.(transport.dialect.schema ?? settings.sink.schema);
  const read = () => readStreams(transport, { stream, maxLag: settings.maxLag });
  if (settings.runs === "once") {
    const streams = await read();
    context.print(textOf(streams, settings, context));
    return isWell(streams);
  }
  return await watch(read, settings, context);
}

/** @throws AbortError when it is told to stop */
async function watch(
  read: () => Promise<StreamStatus[]>,
  settings: StatusSettings,
  context: StatusContext,
): Promise<boolean> {
  const { signal, clock, columns, print } = context;
  let drawn = 0;
  while (true) {
    const text = await read().then(
      (streams) => textOf(streams, settings, context),
      (error) => {
        if (!isRetryable(error)) throw error;
        return settings.output === "json" ? JSON.stringify({ error: messageOf(error) }) : messageOf(error);
      },
    );
    const isDrawn = columns !== undefined && settings.output === "text";
    print(isDrawn ? redrawn(text, drawn) : text);
    drawn = text.split("\n").length;
    await clock.wait(INTERVAL_MS, { signal });
  }
}

/**
 * A text over the lines that were printed last, which are erased.
 *
 * @example
 * IN: "a", 2 → OUT: "\x1b[2A\x1b[Ja"
 */
export const redrawn = (text: string, lines: number): string =>
  lines === 0 ? text : `\x1b[${lines}A\x1b[J${text}`;

function textOf(
  streams: readonly StreamStatus[],
  { output }: StatusSettings,
  context: StatusContext,
): string {
  if (output === "json") return JSON.stringify(streams);
  return statusText(streams, { width: context.columns ?? WIDTH_ELSEWHERE, now: context.clock.now() }).join(
    "\n",
  );
}

/** Whether a health check passes. */
export const isWell = (streams: readonly Pick<StreamStatus, "state">[]): boolean =>
  streams.length > 0 && streams.every(({ state }) => state === "ok");
