/** Flags without a value, each short for an option with one. */
import type { Option } from "./option.ts";

/** A flag without a value, short for an option with one. */
export interface Switch {
  readonly flag: string;
  /** The letter that does the same. */
  readonly short: string;
  /** The option's flag, and its value. */
  readonly means: readonly [flag: string, value: string];
  readonly help: string;
}

export const SWITCHES: readonly Switch[] = [
  {
    flag: "standby",
    short: "s",
    means: ["on-held", "wait"],
    help: "Wait while another relay follows the stream, and take over when it ends, as --on-held wait does",
  },
  {
    flag: "count-only",
    short: "c",
    means: ["compare", "counts"],
    help: "Only count documents and rows, as --compare counts does",
  },
  {
    flag: "repair",
    short: "r",
    means: ["differences", "repair"],
    help: "Write or remove the rows of keys that differ, as --differences repair does",
  },
  {
    flag: "yes",
    short: "y",
    means: ["confirm", "never"],
    help: "Remove without a question, as --confirm never does",
  },
  {
    flag: "watch",
    short: "w",
    means: ["runs", "forever"],
    help: "Go on until stopped, as --runs forever does",
  },
  {
    flag: "json",
    short: "j",
    means: ["output", "json"],
    help: "Print the result as JSON, as --output json does",
  },
  {
    flag: "quiet",
    short: "q",
    means: ["log-level", "warn"],
    help: "Log warnings and errors only, as --log-level warn does",
  },
  {
    flag: "verbose",
    short: "v",
    means: ["log-level", "debug"],
    help: "Log details too, as --log-level debug does",
  },
];

/** The switches that belong to some options. */
export const switchesOf = (options: readonly Option[]): readonly Switch[] =>
  SWITCHES.filter(({ means: [meant] }) => options.some(({ flag }) => flag === meant));
