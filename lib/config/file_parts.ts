/** The parts of `relay.yaml`: the options that they have, and what is wrong with them. */
import { UsageError } from "../util/errors.ts";
import { maskUrl } from "../util/mask_url.ts";
import { flagOf, isToken, type OptionTable } from "./option.ts";
import { inProgramWords } from "./program_options.ts";
import type { Given } from "./read.ts";
import { given, isMapping, issuesOf, serverOption, SERVERS, textOf } from "./relay_schema.ts";
import { parseYaml, type Path, type Problem } from "./yaml_text.ts";

/** A file with errors: all of them. @example OUT: relay.yaml:12:5: Unknown key: onDrp. Did you mean onDrop? */
export class ConfigError extends UsageError {
  /** One for each error. */
  readonly lines: readonly string[];

  constructor(path: string, problems: readonly Problem[]) {
    const sorted = problems.toSorted((one, other) => one.line - other.line || one.column - other.column);
    const lines = sorted.map(({ line, column, message }) => `${path}:${line}:${column}: ${message}`);
    super(lines.join("\n"), {
      hint: `Nothing has been started or changed. To see them all: config check ${path}`,
    });
    this.lines = lines;
  }
}

/** Options by name, with their paths in the file. */
export type Part = Readonly<Record<string, { readonly value: unknown; readonly path: Path }>>;

const step = (node: unknown, key: string | number): unknown =>
  isMapping(node) && Object.hasOwn(node, key) ? node[key] : undefined;

export interface FileContext extends Pick<Given, "flags" | "env"> {
  /** The name of the file in messages. */
  readonly path: string;
  /** Only this stream: those of others may lack their secrets. @default {all} */
  readonly stream?: string | undefined;
}

export class FileParts {
  readonly warnings: string[] = [];
  /** Variables that the file names. */
  readonly variables = new Set<string>();
  readonly #problems: Problem[];
  readonly #yaml: ReturnType<typeof parseYaml>;

  /** @throws ConfigError if the form is wrong */
  constructor(text: string, readonly context: FileContext) {
    this.#yaml = parseYaml(text);
    this.#problems = [...this.#yaml.problems];
    const { value } = this.#yaml;
    for (const { path, text } of value === undefined ? [] : issuesOf(value, context.env)) {
      const [part, stream = context.stream] = path;
      if (part !== "streams" || context.stream === undefined || stream === context.stream) {
        this.report(path, text);
      }
    }
    this.check();
  }

  /** @throws ConfigError if anything was reported */
  check(): void {
    if (this.#problems.length > 0) throw new ConfigError(this.context.path, this.#problems);
  }

  report(path: Path, text: string): void {
    this.#problems.push({ ...this.#yaml.placeOf(path), message: text.replace(/\.$/, "") });
  }

  keysAt(path: Path): readonly string[] {
    return Object.keys(path.reduce(step, this.#yaml.value) ?? {});
  }

  /** The options of a table at a path. */
  part(path: Path, table: OptionTable, nameOf = (key: string): string => key): Part {
    const node = path.reduce(step, this.#yaml.value);
    return Object.fromEntries(
      Object.entries(table).flatMap(([key, option]) => {
        const value = step(node, key);
        if (value === undefined) return [];
        const own = [...path, key];
        if (option.secret) this.#noteSecret(own, value, isToken(option));
        return [[nameOf(key), { value: given(option, value, this.context.env ?? {}), path: own }]];
      }),
    );
  }

  /** The options of a server; undefined if the part is not there. */
  server(path: Path, server: keyof typeof SERVERS): Part | undefined {
    const own = [...path, server];
    return own.reduce(step, this.#yaml.value) === undefined
      ? undefined
      : this.part(own, SERVERS[server], (key) => serverOption(server, key));
  }

  /** @example OUT: {options: {lease: "20s", …}, places: {lease: "relay.yaml:12", …}} */
  given(part: Part): Required<Pick<Given, "options" | "places">> {
    const entries = Object.entries(part);
    return {
      options: Object.fromEntries(entries.map(([name, { value }]) => [name, value])),
      places: Object.fromEntries(entries.map(([name, { path }]) => [name, this.#placeText(path)])),
    };
  }

  /** Calls a function, and reports a UsageError: at the first option of the part that its message names. */
  attempt<Result>(path: Path, part: Part, make: () => Result): Result | undefined {
    try {
      return make();
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      const place = (name: string) => error.message.search(new RegExp(`--${flagOf(name)}\\b`));
      const named = Object.keys(part).filter((name) => place(name) >= 0);
      const [first = ""] = named.sort((one, other) => place(one) - place(other));
      this.report(part[first]?.path ?? path, inProgramWords(textOf(error)));
      return undefined;
    }
  }

  #noteSecret(path: Path, value: unknown, isToken: boolean): void {
    const variable = step(value, "env");
    if (typeof variable === "string") this.variables.add(variable);
    else if (typeof value === "string" && (isToken || maskUrl(`${value}`) !== value)) {
      const name = path.slice(-2).join(".");
      this.warnings.push(
        `${this.#placeText(path)}: ${name} has a password. Use { env: VARIABLE } or { file: PATH }`,
      );
    }
  }

  #placeText(path: Path): string {
    return `${this.context.path}:${this.#yaml.placeOf(path).line}`;
  }
}
