/** The messages of `docs/troubleshooting.md`: errors that the program throws, and those of servers that it recognises. */
import { join } from "node:path";
import { KNOWN_ERRORS, type KnownError } from "../../lib/pipeline/status/known_errors.ts";

const LIB = join(import.meta.dirname ?? "", "..", "..", "lib");

/** The sections of the page, and the folders whose errors they have. */
const SECTIONS: readonly { readonly title: string; readonly folders: readonly string[] }[] = [
  { title: "MongoDB", folders: ["source"] },
  { title: "CrateDB", folders: ["sink"] },
  { title: "The relay", folders: ["pipeline", "relay", "monitor"] },
  { title: "Other commands", folders: ["verify", "status", "workload", "cli", "config", "util"] },
];

/** Text in quotes or backticks; several with `+` between are one. */
const PLACEHOLDER = /\$\{(?:[^{}`]|\{[^{}]*\}|`[^`]*`)*\}/;
const LITERAL = new RegExp(
  `"(?:[^"\\\\]|\\\\.)*"|'(?:[^'\\\\]|\\\\.)*'|\`(?:[^\`\\\\$]|\\\\.|${PLACEHOLDER.source}|\\$)*\``,
);
const TEXT = `(?:${LITERAL.source})(?:\\s*\\+\\s*(?:${LITERAL.source}))*`;
const THROWN = new RegExp(
  `(?:new (?:User|UnusableTable)Error|super)\\(\\s*(${TEXT}),\\s*\\{\\s*hint\\b:?\\s*(${TEXT}(?:\\s*\\+)?)?|` +
    `\\bmessage:\\s*(${TEXT}),\\s*hint:\\s*(${TEXT})`,
  "g",
);

interface Section {
  readonly title: string;
  readonly errors: readonly KnownError[];
}

/** Returns the sections with their errors, sorted by message. */
export async function troubles(): Promise<readonly Section[]> {
  return await Promise.all(SECTIONS.map(async ({ title, folders }) => {
    const texts = (await Promise.all(folders.map((folder) => sourcesBelow(join(LIB, folder))))).flat();
    const known = title in KNOWN_ERRORS ? KNOWN_ERRORS[title as keyof typeof KNOWN_ERRORS] : [];
    const errors = [...known, ...texts.flatMap(thrownIn)];
    return { title, errors: errors.sort((one, other) => one.message < other.message ? -1 : 1) };
  }));
}

async function sourcesBelow(folder: string): Promise<string[]> {
  const texts: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = join(folder, name);
    if (isDirectory) texts.push(...await sourcesBelow(path));
    else if (name !== "known_errors.ts") texts.push(await Deno.readTextFile(path));
  }
  return texts;
}

/**
 * Returns the errors for users in a source text.
 *
 * @example
 * IN: new UserError(`Cannot listen on ${address}`, { hint: "Give --listen another address." })
 * OUT: [{message: "Cannot listen on …", hint: "Give --listen another address."}]
 */
export const thrownIn = (code: string): KnownError[] =>
  [...code.replace(COMMENT, "").matchAll(THROWN)].map(([, thrown, hint, message, itsHint]) => ({
    message: textOf(thrown ?? message ?? ""),
    hint: textOf(itsHint ?? hint ?? "") + (itsHint || hint && !hint.endsWith("+") ? "" : COMPUTED),
  }));

const COMMENT = /\/\*\*.*?\*\//gs;
/** Replaces a hint that the program computes, or the end of it. */
const COMPUTED = "See the hint of the message.";

/** @example IN: "a " + `b ${c}` → OUT: a b … */
const textOf = (literals: string): string =>
  [...literals.matchAll(new RegExp(LITERAL.source, "g"))].map(([literal]) =>
    literal.slice(1, -1).replaceAll(new RegExp(PLACEHOLDER.source, "g"), "…")
      .replace(/\\(.)/g, (_, letter) => letter === "n" ? "\n" : letter)
  ).join("");

/** The sections as Markdown. Errors with the same text are one entry; so are hints of the same message. */
export const troublesText = (sections: readonly Section[]): string =>
  sections.map(({ title, errors }) => {
    const texts = Map.groupBy(errors, ({ message }) => message);
    const entries = Map.groupBy(texts, ([, each]) => [...new Set(each.map(errorText))].join(" "));
    const parts = [...entries].map(([text, each]) => entryText(each.map(([message]) => message), text));
    return `## ${title}\n\n${parts.join("\n\n")}\n`;
  }).join("\n");

const errorText = ({ why, hint }: KnownError): string =>
  [why ?? "", hint].filter(Boolean).join(" ").replace(/[<*]/g, "\\$&");

function entryText(messages: readonly string[], text: string): string {
  const heading = messages.map((message) => message.includes("`") ? `\`\`${message}\`\`` : `\`${message}\``);
  // An indented line of a hint is a command.
  const parts = text.split(/\n {2}(.+)(?:\n|$)/).map((part, at) =>
    at % 2 === 0 ? part.trim() : `\`\`\`\n${part.replace(/\\([<*])/g, "$1")}\n\`\`\``
  );
  return [`### ${heading.join(", ")}`, ...parts].filter(Boolean).join("\n\n");
}
