/**
 * Breaks a text into lines of at most `width` characters, each after `indent`; a longer word stays whole.
 *
 * @example
 * IN: "Statements sent at once", {width: 20, indent: "  "} → OUT: "  Statements sent at\n  once"
 */
export function wrap(text: string, { width, indent }: { width: number; indent: string }): string {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const line = lines.at(-1);
    if (line !== undefined && line.length + 1 + word.length <= width) {
      lines[lines.length - 1] = `${line} ${word}`;
    } else lines.push(indent + word);
  }
  return lines.join("\n");
}
