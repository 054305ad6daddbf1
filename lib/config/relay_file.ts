/** `relay.yaml`: reads, checks and merges the settings of a process and of its streams. */
import type { RelaySettings } from "../pipeline/settings.ts";
import { UsageError } from "../util/errors.ts";
import type { Namespace } from "../util/namespace.ts";
import type { Reload } from "./option.ts";
import type { Values } from "./parsers.ts";
import type { Environment, Flags } from "./read.ts";
import type { PROCESS } from "./options.ts";

/** Settings of the whole process: memory, monitoring, log, and what to do when a stream fails. */
export type ProcessSettings = Values<typeof PROCESS>;

/** A setting in effect, with its origin. */
export interface Setting {
  /** As in the option table. */
  readonly name: string;
  /** Its value for people: the same text for the same value; secrets are masked. */
  readonly text: string;
  /** A flag, a variable, a place such as `relay.yaml:12`, or `default`. */
  readonly origin: string;
  readonly reload: Reload;
}

export interface StreamSettings {
  /** In the file, and in metrics, logs and traces. */
  readonly name: string;
  readonly settings: RelaySettings;
  /** Those of the stream, including the ones that its collections inherit. */
  readonly effective: readonly Setting[];
  /** Those of one collection. */
  readonly effectiveFor: (namespace: Namespace) => readonly Setting[];
  /** The names and patterns below `collections` that match none of these. */
  readonly unmatched: (namespaces: readonly Namespace[]) => readonly string[];
}

export interface RelayFile {
  readonly process: ProcessSettings;
  readonly processEffective: readonly Setting[];
  readonly streams: readonly StreamSettings[];
  readonly warnings: readonly string[];
}

/** What is wrong in a file, and where. The first line and column are 1. */
export interface Problem {
  readonly line: number;
  readonly column: number;
  readonly message: string;
  readonly hint: string | undefined;
}

/** A file with errors: all of them. */
export class ConfigError extends UsageError {
  readonly problems: readonly Problem[];

  constructor(path: string, problems: readonly Problem[]) {
    super(problems.map((each) => problemText(path, each)).join("\n"), {
      hint: `Correct the file, then run: config check ${path}`,
    });
    this.problems = problems;
  }
}

/** @example OUT: relay.yaml:12:5: Unknown key: onDrp. Did you mean onDrop? */
export const problemText = (path: string, { line, column, message, hint }: Problem): string =>
  `${path}:${line}:${column}: ${message}${hint === undefined ? "" : `. ${hint}`}`;

export interface FileContext {
  /** The name of the file in messages. */
  readonly path: string;
  readonly flags?: Flags;
  readonly env?: Environment;
  /** Only this stream. @default {all} */
  readonly stream?: string | undefined;
}

/** @throws ConfigError */
export function readRelayFile(_text: string, { path }: FileContext): RelayFile {
  throw new ConfigError(path, []);
}
