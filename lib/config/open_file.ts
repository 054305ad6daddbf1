/** Reads the file of `--config`. Its modules are loaded only for commands that have one. */
import { readFileSync } from "node:fs";
import { UsageError } from "../util/errors.ts";
import { find, type Given } from "./read.ts";
import { readRelayFile, type RelayFile } from "./relay_file.ts";
import { FILE } from "./relay_options.ts";

/** @throws ConfigError for a file with errors; UsageError if it cannot be read */
export function openRelayFile(path: string, given: Given): RelayFile {
  const { flags, env } = given;
  const stream = find("stream", FILE.stream, given)?.value;
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new UsageError(`The file cannot be read: ${path}`, {
      hint: "Check that it exists, and that the user of this program may read it.",
      cause,
    });
  }
  return readRelayFile(text, {
    path,
    ...flags && { flags },
    ...env && { env },
    ...stream !== undefined && { stream: String(stream) },
  });
}
