/** Reports recorded events to URLs and programs. Nothing waits for them, and their failures are only logged and counted. */
import { spawn } from "node:child_process";
import { on, type RelayEvent } from "../pipeline/status/events.ts";
import { EVENT_KINDS, type EventKind, type RecordedEvent } from "../sink/metadata/event_log.ts";
import { type Clock, SYSTEM_CLOCK, waitAtMost } from "../util/clock.ts";
import { messageOf, UsageError } from "../util/errors.ts";
import type { Logger } from "../util/log.ts";

/** A receiver of events: a URL, or a program that is run without a shell. */
export interface Hook {
  readonly url?: string;
  /** The program and its arguments; it gets the message on standard input. */
  readonly exec?: readonly string[];
  /** @default {json} */
  readonly format?: "json" | "slack";
  /** @default {all that are more severe than info} */
  readonly kinds?: readonly EventKind[];
}

/** An event, and the number of those of its kind that were not sent before it. */
export type Message = RecordedEvent & { readonly suppressed: number };

const kindsOf = ({ kinds }: Hook): readonly string[] =>
  kinds ?? Object.entries(EVENT_KINDS).flatMap(([kind, severity]) => severity === "info" ? [] : [kind]);

/** Its path may be a secret. @example IN: https://hooks.slack.com/services/T0/B0/x → OUT: https://hooks.slack.com/*** */
export const maskWebhook = (url: string): string =>
  url.replace(/(https?:\/\/)(?:[^/?#\s]*@)?([^/?#\s)]*)[^\s)]*/gi, "$1$2/***");

export const hookName = ({ url = "", exec: [program] = [] }: Hook): string => program ?? maskWebhook(url);

/** @throws RangeError, whose message follows the name of the option */
export function parseWebhook(text: string): string {
  if (/^https?:$/.test(URL.parse(text)?.protocol ?? "")) return text;
  throw new RangeError("is not a URL such as https://example.org/hook");
}

/** Sends a message once. @throws an error that has no secret of the URL */
export async function send(hook: Hook, message: Message, signal: AbortSignal): Promise<void> {
  const body = JSON.stringify(hook.format === "slack" ? slackMessage(message) : message);
  if (hook.exec) return await run(hook.exec, body, signal);
  const response = await post(hook.url ?? "", body, signal);
  await response.body?.cancel();
  if (!response.ok) throw new Error(`it has answered ${response.status}`);
}

async function post(url: string, body: string, signal: AbortSignal): Promise<Response> {
  const headers = { "Content-Type": "application/json" };
  try {
    return await fetch(url, { method: "POST", headers, body, signal, redirect: "manual" });
  } catch (error) {
    throw new Error(maskWebhook(messageOf(error instanceof Error ? error.cause ?? error : error)));
  }
}

interface DenoPermissions {
  querySync(of: { readonly name: "run"; readonly command: string }): { readonly state: string };
}

/** Node.js has no such permissions. @throws UsageError if Deno may not run the program, as with its permissions for production */
export function checkMayRun(
  program: string,
  permissions = (globalThis as { readonly Deno?: { readonly permissions: DenoPermissions } }).Deno
    ?.permissions,
): void {
  if (!permissions || permissions.querySync({ name: "run", command: program }).state === "granted") return;
  throw new UsageError(`Deno may not run ${program}, which is the exec of a hook`, {
    hint: `Start with: deno run -P=production --allow-run=${program} … Or use url instead of exec.`,
  });
}

const run = ([program = "", ...rest]: readonly string[], body: string, signal: AbortSignal) =>
  new Promise<void>((resolve, reject) => {
    const child = spawn(program, rest, {
      stdio: ["pipe", "ignore", "ignore"],
      signal,
      killSignal: "SIGKILL",
    });
    child.on("error", reject);
    child.on("close", (code) => code === 0 ? resolve() : reject(new Error(`it has ended with code ${code}`)));
    child.stdin.on("error", () => {}); // The program need not read it.
    child.stdin.end(`${body}\n`);
  });

const slackMessage = ({ severity, stream, message, suppressed }: Message) => {
  const more = suppressed > 0 ? ` (and ${suppressed} more before)` : "";
  const escaped = `${stream}: ${message}${more}`.replace(/[&<>]/g, (each) => `&#${each.charCodeAt(0)};`);
  return { text: `${severity === "info" ? "" : `*${severity}* `}${escaped}` };
};

/** The shortest time between two messages of a kind. */
const INTERVAL_MS = 15 * 60_000;
const TRIES = 3;
const TRY_LIMIT_MS = 5_000;
const PAUSE_MS = 2_000;
/** For the messages that are being sent when the process ends. */
const LAST_MS = 3_000;

interface HooksOptions {
  readonly log: Logger;
  /** Called with each message that could not be sent. */
  readonly onFailure: (event: Extract<RelayEvent, { type: "hookFailed" }>) => void;
  readonly clock?: Pick<Clock, "wait">;
  readonly send?: typeof send;
}

/**
 * Reports the first event of a kind at once, and the newest of those that follow 15 minutes later.
 * @throws UsageError if Deno may not run a program
 */
export function openHooks(hooks: readonly Hook[], options: HooksOptions) {
  const { log, onFailure, clock = SYSTEM_CLOCK, send: sendOnce = send } = options;
  for (const { exec: [program] = [] } of hooks) if (program !== undefined) checkMayRun(program);
  const closing = new AbortController();
  const { signal } = closing;
  const sending = new Set<Promise<void>>();

  const deliver = async (hook: Hook, message: Message): Promise<void> => {
    for (let tries = 1; !signal.aborted; tries++) {
      try {
        const limit = AbortSignal.any([signal, AbortSignal.timeout(TRY_LIMIT_MS)]);
        return await sendOnce(hook, message, limit);
      } catch (cause) {
        const failure = { hook: hookName(hook), error: messageOf(cause) };
        if (tries < TRIES) await clock.wait(PAUSE_MS, { signal }).catch(() => {});
        else {
          log.warn("An event could not be reported to a hook", failure);
          return onFailure({ type: "hookFailed", ...failure });
        }
      }
    }
  };
  const listenerOf = (hook: Hook) => {
    const kinds = kindsOf(hook);
    /** Those of the last 15 minutes, with the newest event that waits, and how many it stands for. */
    const held = new Map<string, Message | undefined>();
    const report = (message: Message) => {
      held.set(message.kind, undefined);
      const delivery = deliver(hook, message).finally(() => sending.delete(delivery));
      sending.add(delivery);
      clock.wait(INTERVAL_MS, { signal }).then(() => {
        const next = held.get(message.kind);
        held.delete(message.kind);
        if (next) report(next);
      }, () => {}); // The process ends.
    };
    return (event: RecordedEvent) => {
      const { kind } = event;
      if (!kinds.includes(kind)) return;
      if (held.has(kind)) held.set(kind, { ...event, suppressed: (held.get(kind)?.suppressed ?? -1) + 1 });
      else report({ ...event, suppressed: 0 });
    };
  };
  const listeners = hooks.map(listenerOf);
  return {
    listen: on({ recorded: ({ event }) => listeners.forEach((each) => each(event)) }),
    [Symbol.asyncDispose]: async () => {
      await waitAtMost(LAST_MS, Promise.all(sending), clock);
      closing.abort();
    },
  };
}
