/** The options of the library as TypeScript, with what an editor shows of each. */
import type { Option } from "../../lib/config/options/option.ts";
import { choicesOf } from "../../lib/config/options/options.ts";
import { isRequired, LIBRARY_OPTIONS } from "../../lib/library/flags.ts";
import { camelCase, inLibraryWords } from "../../lib/library/names.ts";

const HEAD =
  `/** The options of the library: the flags of the commands, in camel case. Written by \`deno task docs\`. */

/** A number of bytes, or a text with its unit. @example "256MiB" */
export type Bytes = number | string;
/** A number of milliseconds, or a text with its unit. @example "10s" */
export type Duration = number | string;
/** A document of MongoDB. */
export type Json = Readonly<Record<string, unknown>>;
`;

const INTERFACES = {
  startRelay: ["RelayOptions", "What `startRelay()` follows, and how."],
  status: ["StatusOptions", "Which streams `status()` reads: that of a relay with these options, or all."],
  wait: ["WaitOptions", "What `wait()` waits for: the stream of a relay with these options, or all."],
  verify: ["VerifyOptions", "What `verify()` compares, and how: with the options of the relay, and its own."],
} as const;

const WIDTH = 110;

/** @example OUT: "… export interface RelayOptions {\n  /** MongoDB, a replica set or sharded cluster. *\/\n  readonly mongodbUrl: string; …" */
export const libraryOptions = (): string =>
  [
    HEAD,
    ...Object.entries(INTERFACES).map(([name, [type, about]]) => {
      const options = LIBRARY_OPTIONS[name as keyof typeof INTERFACES];
      return `/** ${about} */\nexport interface ${type} {\n${options.map(member).join("\n")}\n}\n`;
    }),
  ].join("\n");

function member(option: Option): string {
  const mark = isRequired(option) ? "" : "?";
  const more = mark && option.default !== "" ? [`@default {${option.default}}`] : [];
  return `${comment([`${inLibraryWords(option.help)}.`, ...more])}\n  readonly ${
    camelCase(option.flag)
  }${mark}: ${typeOf(option)};`;
}

/** What the values that the command line writes in a short form are. */
const TYPES: Readonly<Record<string, string>> = { N: "number", SIZE: "Bytes", JSON: "Json" };

function typeOf(option: Option): string {
  const { flag, value, list } = option;
  const choices = choicesOf(option);
  if (choices.length > 0) return choices.map((choice) => JSON.stringify(choice)).join(" | ");
  if (list) return "string | readonly string[]";
  if (flag === "pipeline") return "readonly Json[]";
  if (flag === "at") return "string";
  return value === "TIME" ? "Duration" : TYPES[value] ?? "string";
}

function comment(paragraphs: readonly string[]): string {
  const [text = ""] = paragraphs;
  const short = `  /** ${paragraphs.join(" ")} */`;
  if (short.length <= WIDTH) return short;
  const lines = [...wrapped(text), ...paragraphs.slice(1).flatMap((each) => ["", each])];
  return ["  /**", ...lines.map((line) => `   * ${line}`.trimEnd()), "   */"].join("\n");
}

function wrapped(text: string): string[] {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines.at(-1) ?? "";
    if (line !== "" && line.length + word.length + "   *  ".length > WIDTH) lines.push(word);
    else lines[lines.length - 1] = line === "" ? word : `${line} ${word}`;
  }
  return lines;
}
