/** Options of the log. */
import { option } from "./option.ts";
import { oneOf } from "./parsers.ts";

export const LOG_FORMAT = option({
  flag: "log-format",
  env: ["LOG_FORMAT"],
  default: "text",
  value: "text|json",
  help: "Form of the log lines on standard error",
  parse: oneOf("text", "json"),
});

export const LOG_LEVEL = option({
  flag: "log-level",
  env: ["LOG_LEVEL"],
  default: "info",
  value: "debug|info|warn|error",
  help: "Minimum level of the log lines",
  parse: oneOf("debug", "info", "warn", "error"),
});

export const LOGGING = [LOG_FORMAT, LOG_LEVEL] as const;
