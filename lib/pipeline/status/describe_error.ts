/** The text of an error for users: what happened, and what to do next. */
import {
  MongoError,
  MongoMissingDependencyError,
  MongoNetworkError,
  MongoServerError,
  MongoServerSelectionError,
} from "mongodb";
import { SinkError } from "../../sink/connection/sink_error.ts";
import { messageOf, UsageError, UserError } from "../../util/errors.ts";
import { maskSecrets } from "../../util/mask_url.ts";
import * as known from "./known_errors.ts";

export interface Description {
  readonly message: string;
  readonly hint: string | undefined;
  readonly exitCode: 1 | 2;
  /** The stack of an unexpected error; `--verbose` prints it. */
  readonly stack?: string | undefined;
}

type Text = Pick<Description, "message" | "hint">;

/**
 * Describes an error without stack trace and passwords. Its class and its code or kind decide, never its message.
 *
 * @example
 * IN: MongoServerError with code 40573
 * OUT: {message: "MongoDB runs without a replica set, …", hint: "… rs.initiate() …", exitCode: 1}
 */
export function describe(error: unknown): Description {
  const stack = unexpectedStack(error);
  return { ...textOf(error), exitCode: error instanceof UsageError ? 2 : 1, ...stack && { stack } };
}

function unexpectedStack(error: unknown): string | undefined {
  const isExpected = [UserError, SinkError, MongoError].some((type) => error instanceof type);
  if (!(error instanceof Error) || isExpected || isSrvLookup(error)) return undefined;
  return error.stack && maskSecrets(error.stack);
}

function textOf(error: unknown): Text {
  const message = messageOf(error);
  if (error instanceof UserError) return { message, hint: error.hint };
  if (error instanceof SinkError) return filled(known.SINK_ERRORS[error.kind], message);
  if (error instanceof MongoServerError) return serverText(error, message);
  if (isSrvLookup(error)) return filled(known.MONGODB_HOST, message);
  if (error instanceof MongoServerSelectionError || error instanceof MongoNetworkError) {
    return filled(connectionError(error), message);
  }
  const missing = withCauses(error).find((each) => each instanceof MongoMissingDependencyError);
  if (missing) {
    const { message, hint } = filled(known.MISSING_PACKAGE, missing.dependencyName);
    return { message, hint: hint?.replaceAll("PACKAGE", missing.dependencyName) };
  }
  return { message, hint: error instanceof MongoError ? MONGODB_DRIVER : undefined };
}

const MONGODB_DRIVER = "The MongoDB driver refused this. Check MONGODB_URL and its options.";

/** @example IN: {message: "CrateDB does not allow this: …", …}, "Missing 'DML' privilege" → OUT: {message: "CrateDB does not allow this: Missing …", …} */
const filled = (error: known.KnownError | undefined, text: string): Text => ({
  message: error ? error.message.replace("…", () => text) : text,
  hint: error?.hint,
});

function serverText({ code, codeName }: MongoServerError, text: string): Text {
  const found = known.MONGODB_ERRORS.find(({ codes }) => codes.includes(Number(code)));
  if (found) return filled(found, withoutCommand(text));
  const name = codeName ? ` (${codeName})` : "";
  return { message: text, hint: `MongoDB refused this with code ${code}${name}.` };
}

/** The host of `mongodb+srv://` is resolved before a connection exists, so the error is not the driver's. */
const isSrvLookup = (error: unknown): boolean =>
  error instanceof Error && /^query(?:Srv|Txt)$/.test(String((error as { syscall?: unknown }).syscall));

function connectionError(error: MongoServerSelectionError | MongoNetworkError): known.KnownError {
  const servers = serversOf(error);
  if (servers.some(({ type }) => type === "RSGhost")) return known.NOT_INITIATED;
  const errors = [error, ...servers.map((server) => server.error)].flatMap(withCauses);
  const codes = errors.map((each) => (each as { code?: unknown }).code);
  const isUnknown = codes.some((code) => code === "ENOTFOUND" || code === "EAI_AGAIN");
  return isUnknown ? known.MONGODB_HOST : known.MONGODB_UNREACHABLE;
}

type SeenServer = { readonly type?: string; readonly error?: unknown };

const serversOf = (error: MongoError): SeenServer[] => [
  ...(error as { reason?: { servers?: Map<string, SeenServer> } }).reason?.servers?.values() ?? [],
];

const withCauses = (error: unknown): Error[] =>
  error instanceof Error ? [error, ...withCauses(error.cause)] : [];

/**
 * Removes the command that the server repeats, with its documents, from a message.
 *
 * @example
 * IN: not authorized on shop to execute command { find: "orders", … } → OUT: not authorized on shop to execute find
 */
const withoutCommand = (text: string): string =>
  text.replace(/ to execute command \W*(\w+).*/s, " to execute $1");
