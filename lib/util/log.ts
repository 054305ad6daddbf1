import { styleText } from "node:util";
import { maskSecrets } from "./mask_url.ts";
import { STDERR } from "./standard_streams.ts";
import { durationText, visible } from "./text.ts";

export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = typeof LOG_LEVELS[number];

export const LOG_FORMATS = ["text", "json"] as const;
export type LogFormat = typeof LOG_FORMATS[number];

/** Writes one line per call. Names of fields are in snake case and end with the unit: `lag_ms`, `duration_s`, `rate_per_s`. */
export type Logger = { readonly [level in LogLevel]: (message: string, fields?: LogFields) => void };
export type LogFields = Readonly<Record<string, unknown>>;

/** The logger reads format and level for each line: they may change. */
export interface LoggerOptions {
  readonly format: LogFormat;
  readonly level: LogLevel;
  readonly colour?: boolean;
  /** Takes a line without its line end. @default {writes to standard error} */
  readonly write?: (line: string) => void;
  readonly now?: () => Date;
}

type Head = Readonly<{ time: Date; level: LogLevel; message: string }>;

const STYLES = { debug: "dim", info: "none", warn: "yellow", error: "red" } as const;

const FORMATS: Record<LogFormat, (head: Head, fields: LogFields, colour: boolean) => string> = {
  text: ({ time, level, message }, fields, colour) =>
    [
      painted(localTime(time), colour ? "dim" : "none"),
      painted(level.toUpperCase().padEnd(5), colour ? STYLES[level] : "none"),
      oneLine(message),
      ...Object.entries(fields).filter(([, value]) => value !== undefined).map(([name, field]) => {
        const [key, value] = peopleField(name, field);
        return `${key}=${textValue(value)}`;
      }),
    ].join(" "),
  // Fields do not replace the head.
  json: (head, fields) => toJson({ ...head, ...fields, ...head }),
};

const levels = (at: (level: LogLevel) => Logger[LogLevel]): Logger =>
  Object.freeze({ debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") });

/**
 * A logger that writes one line per call to standard error. Passwords in URLs are masked.
 * @example
 * IN: createLogger({ format: "text", level: "info" }).info("batch written", { rows: 500, table: "doc.t" })
 * OUT: 2026-01-31T12:34:56+01:00 INFO  batch written rows=500 table=doc.t
 */
export function createLogger(options: LoggerOptions): Logger {
  const { colour = false, write = (line) => STDERR.write(`${line}\n`), now = () => new Date() } = options;
  return unfailing(levels((level) => (message, fields = {}) => {
    if (LOG_LEVELS.indexOf(level) < LOG_LEVELS.indexOf(options.level)) return;
    write(FORMATS[options.format]({ time: now(), level, message: maskSecrets(message) }, fields, colour));
  }));
}

/** The same logger, which drops a line that cannot be written: a full disk does not end the relay. */
export const unfailing = (log: Logger): Logger =>
  levels((level) => (message, fields) => {
    try {
      log[level](message, fields);
    } catch {
      // A report would fail as well.
    }
  });

/** The same logger, whose lines also have these fields. */
export const withFields = (log: Logger, fields: LogFields): Logger =>
  levels((level) => (message, more) => log[level](message, { ...fields, ...more }));

/** The same logger, which changes each text: the messages, and the fields that are texts. */
export const worded = (log: Logger, change: (text: string) => string): Logger =>
  levels((level) => (message, fields = {}) => {
    const changed = Object.entries(fields).map(([name, value]) =>
      [name, typeof value === "string" ? change(value) : value] as const
    );
    log[level](change(message), Object.fromEntries(changed));
  });

/** The local time in RFC 3339. @example IN: 11:34:56Z in Vienna, in winter → OUT: 2026-01-31T12:34:56+01:00 */
function localTime(time: Date): string {
  const offset = -time.getTimezoneOffset();
  const local = new Date(time.getTime() + offset * 60_000).toISOString().slice(0, 19);
  if (offset === 0) return `${local}Z`;
  const two = (value: number) => String(Math.floor(value)).padStart(2, "0");
  return `${local}${offset < 0 ? "-" : "+"}${two(Math.abs(offset) / 60)}:${two(Math.abs(offset) % 60)}`;
}

function textValue(value: unknown): string {
  const json = toJson(value);
  const text = json.startsWith('"') ? JSON.parse(json) : json;
  return /^[^\s"=\p{Cc}]+$/u.test(text) ? text : visible(JSON.stringify(text));
}

const oneLine = (text: string): string =>
  visible(text.replace(/\s+/g, (blanks) => /[\r\n]/.test(blanks) ? " " : blanks));

const painted = (text: string, style: "none" | "dim" | "yellow" | "red"): string =>
  style === "none" ? text : styleText(style, text, { validateStream: false });

function toJson(value: unknown): string {
  return JSON.stringify(value, (_key, item) => {
    if (typeof item === "bigint") return item.toString();
    const plain = item instanceof Error ? item.message : item;
    return typeof plain === "string" ? maskSecrets(plain) : plain;
  }) ?? String(value);
}

/** Formats a number with a unit for people. @example IN: "lag_ms", 120000 → OUT: ["lag", "2 min"]; "rows", 5 → "rows", 5 */
export function peopleField(name: string, value: unknown): readonly [name: string, value: unknown] {
  const [, stem = "", unit] = /^(.*?)_(per_s|ms|s)$/s.exec(name) ?? [];
  if (typeof value !== "number" || !Number.isFinite(value) || unit === undefined) return [name, value];
  return [stem, unit === "per_s" ? `${value}/s` : durationText(unit === "s" ? value * 1_000 : value)];
}

export const QUIET: Logger = createLogger({ format: "text", level: "error", write: () => {} });
