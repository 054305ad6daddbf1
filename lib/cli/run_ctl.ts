/** Runs `ctl`, and prints what became of the request. */
import type { ctlConfig } from "../config/config.ts";
import { flagOf } from "../config/option.ts";
import { ask, type Asked, listRequests } from "../status/ctl.ts";
import type { ControlRequest } from "../sink/metadata/control_requests.ts";
import { hasEnded } from "../pipeline/control/request_order.ts";
import { SYSTEM_CLOCK } from "../util/clock.ts";
import { firstLine, textTable, visible } from "../util/text.ts";
import type { CommandContext } from "./command.ts";

const LISTED = 20;
/** The request was refused, failed, was cancelled or expired. */
const NOT_DONE = 1;
const TIMED_OUT = 4;

export async function runCtl(
  settings: ReturnType<typeof ctlConfig>,
  { signal, columns, print }: Pick<CommandContext, "signal" | "columns" | "print">,
): Promise<number> {
  const { verb, output } = settings;
  if (verb === "list") {
    const requests = await listRequests(settings, LISTED);
    const width = columns ?? Infinity;
    print(output === "json" ? JSON.stringify(requests.map(fieldsOf)) : listText(requests, width));
    return 0;
  }
  const waits = (asked: Asked) => settings.until === "ended" || isAnswered(settings) && asked.isFollowed;
  const asked = await ask(settings, settings, {
    clock: SYSTEM_CLOCK,
    signal,
    onAsked: (asked) => {
      if (output === "text") print(askedText(asked));
      return waits(asked);
    },
  });
  if (output === "json") print(JSON.stringify({ ...fieldsOf(asked.request), is_followed: asked.isFollowed }));
  if (!waits(asked)) return 0;
  const isOver = hasEnded(asked.request);
  if (output === "text") print(isOver ? endText(asked.request) : `Not ended yet: ctl list shows it.`);
  return asked.request.state === "done" ? 0 : isOver ? NOT_DONE : TIMED_OUT;
}

/** Whether the request only asks for an answer: then `ctl` waits for it. */
const isAnswered = ({ verb, arguments: { action } }: Pick<ControlRequest, "verb" | "arguments">): boolean =>
  verb === "letters" && (action === "list" || action === "show");

/** @example OUT: Asked for pause (6f1c…) of shop.* -> … */
export function askedText({ request: { verb, id, stream, expiresAt }, isFollowed }: Asked): string {
  const asked = `Asked for ${verb} (${id}) of ${stream}`;
  if (isFollowed) return asked;
  return `${asked}\nNo relay follows this stream: the request waits until ${
    new Date(expiresAt).toISOString()
  }, and then expires.`;
}

/** @example OUT: pause done: Paused until it is resumed. */
export const endText = ({ verb, state, message }: ControlRequest): string => `${verb} ${state}: ${message}`;

export function listText(requests: readonly ControlRequest[], width: number): string {
  if (requests.length === 0) return "No request was asked for.";
  const rows = requests.map(({ id, verb, state, askedAt, askedBy, progress, message }) => [
    id,
    verb,
    state,
    new Date(askedAt).toISOString(),
    visible(askedBy ?? ""),
    visible(firstLine(message ?? progress ?? "")),
  ]);
  return textTable({ header: ["id", "verb", "state", "asked", "by", "message"], rows }, width).join("\n");
}

/** As in the table. @example IN: {id: "6f1c…", askedAt: 0, …} → OUT: {id: "6f1c…", asked_at: "1970-01-01T00:00:00.000Z", …} */
const fieldsOf = ({ isExpired: _, ...request }: ControlRequest) =>
  Object.fromEntries(
    Object.entries(request).map(([name, value]) => [
      flagOf(name).replaceAll("-", "_"),
      name.endsWith("At") && value !== null ? new Date(Number(value)).toISOString() : value,
    ]),
  );
