/** A receiver of events: a URL, or a program that is run without a shell. */
import { spawn } from "node:child_process";
import { EVENT_KINDS, type EventKind, type RecordedEvent } from "../sink/metadata/event_log.ts";
import { messageOf, UsageError } from "../util/errors.ts";

export interface Hook {
  readonly url?: string;
  /** The program and its arguments; it gets the message on standard input. */
  readonly exec?: readonly string[];
  /** @default {json} */
  readonly format?: "json" | "slack";
  /** @default {all that are more severe than info} */
  readonly kinds?: readonly EventKind[];
}

/** An event, and the number of those of its stream and kind that were not sent before it. */
export type Message = RecordedEvent & { readonly suppressed: number };

export const kindsOf = ({ kinds }: Hook): readonly string[] =>
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
