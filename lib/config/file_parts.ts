/** Reads the parts of `relay.yaml`: their options, and what is wrong with them. */
import { BSON } from "mongodb";
import * as v from "valibot";
import { UsageError } from "../util/errors.ts";
import { maskUrl } from "../util/mask_url.ts";
import type { Problem } from "./config_error.ts";
import { faultText, SECRET_FAULT } from "./file_faults.ts";
import type { Option, OptionTable } from "./option.ts";
import { inProgramWords } from "./program_options.ts";
import { type Environment, type Given, valueOf } from "./read.ts";
import { relaySchema, serverOption, SERVERS } from "./relay_schema.ts";
import { parseYaml, type Path, type YamlText } from "./yaml_text.ts";

/** What a part of the file gives. */
export interface Part extends Required<Pick<Given, "options" | "places">> {
  /** Where the options are, by name. */
  readonly paths: Readonly<Record<string, Path>>;
}

export const NOTHING: Part = { options: {}, places: {}, paths: {} };

/** The last part wins. */
export const merged = (...parts: readonly Part[]): Part => ({
  options: Object.assign({}, ...parts.map(({ options }) => options)),
  places: Object.assign({}, ...parts.map(({ places }) => places)),
  paths: Object.assign({}, ...parts.map(({ paths }) => paths)),
});

const isMapping = (value: unknown): value is Readonly<Record<string, unknown>> =>
  value !== null && typeof value === "object" && !Array.isArray(value);

const step = (node: unknown, key: string | number): unknown =>
  isMapping(node) && Object.hasOwn(node, key) ? node[key] : undefined;

interface ValueContext {
  readonly label: string;
  readonly option: Option;
  readonly path: Path;
}

export class FileParts {
  readonly problems: Problem[];
  readonly warnings: string[] = [];
  /** Variables that the file names. */
  readonly variables = new Set<string>();
  readonly #yaml: YamlText;
  readonly #context: { readonly path: string; readonly env?: Environment };

  constructor(text: string, context: { readonly path: string; readonly env?: Environment }) {
    this.#yaml = parseYaml(text);
    this.#context = context;
    this.problems = [...this.#yaml.faults];
  }

  /** The keys of a mapping; none if it is something else. */
  keys(path: Path): readonly string[] {
    const value = this.#at(path);
    return isMapping(value) ? Object.keys(value) : [];
  }

  /** Reads the options of a part, and reports values that their parsers refuse. */
  part(path: Path, table: OptionTable): Part {
    return this.#part(path, Object.entries(table).map(([name, option]) => ({ name, key: name, option })));
  }

  /** Reads the part that names a server; undefined if there is none. */
  server(path: Path, server: keyof typeof SERVERS): Part | undefined {
    const own = [...path, server];
    if (this.#at(own) === undefined) return undefined;
    const options = Object.entries(SERVERS[server]);
    return this.#part(
      own,
      options.map(([key, option]) => ({
        name: serverOption(server, key),
        key,
        option,
      })),
    );
  }

  /** Reports what the form of the file refuses, unless a parser has said why. */
  checkForm(): void {
    const placeText = (path: Path) => {
      const { line, column } = this.#yaml.placeOf(path);
      return `${line}:${column}`;
    };
    const known = new Set(this.problems.map(({ line, column }) => `${line}:${column}`));
    if (this.#yaml.value === undefined) return;
    for (const issue of v.safeParse(relaySchema(), this.#yaml.value).issues ?? []) {
      const path = (issue.path ?? []).map(({ key }) => key as string | number);
      if (issue.expected === "never" || !known.has(placeText(path))) {
        this.report(path, faultText(issue, path));
      }
    }
  }

  report(
    path: Path,
    { message, hint }: { readonly message: string; readonly hint?: string | undefined },
  ): void {
    this.problems.push({ ...this.#yaml.placeOf(path), message, hint: hint?.replace(/\.$/, "") });
  }

  warn(path: Path, text: string): void {
    this.warnings.push(`${this.#placeText(path)}: ${text}`);
  }

  /** Calls a function, and reports a UsageError: at the first option of the part that its message names. */
  attempt<Result>(path: Path, { paths }: Part, make: () => Result): Result | undefined {
    try {
      return make();
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      const message = inProgramWords(error.message);
      const hint = error.hint && inProgramWords(error.hint);
      const names = Object.keys(paths).map((name) => ({
        name,
        index: message.search(new RegExp(`\\b${name}\\b`)),
      }));
      const [first] = names.filter(({ index }) => index >= 0).sort((one, other) => one.index - other.index);
      this.report(paths[first?.name ?? ""] ?? path, { message, hint });
      return undefined;
    }
  }

  #at(path: Path): unknown {
    return path.reduce(step, this.#yaml.value);
  }

  /** @example OUT: relay.yaml:12 */
  #placeText(path: Path): string {
    return `${this.#context.path}:${this.#yaml.placeOf(path).line}`;
  }

  #part(
    path: Path,
    options: readonly { readonly name: string; readonly key: string; readonly option: Option }[],
  ): Part {
    const node = this.#at(path);
    const found = options.flatMap(({ name, key, option }) => {
      const value = step(node, key);
      if (value === undefined) return [];
      const own = [...path, key];
      const label = name === key ? key : `${path.at(-1)}.${key}`;
      return [{ name, path: own, value: this.#value(value, { label, option, path: own }) }];
    });
    return {
      options: Object.fromEntries(found.map(({ name, value }) => [name, value])),
      places: Object.fromEntries(found.map(({ name, path }) => [name, this.#placeText(path)])),
      paths: Object.fromEntries(found.map(({ name, path }) => [name, path])),
    };
  }

  #value(value: unknown, context: ValueContext): unknown {
    const { label, option, path } = context;
    const isSecret = option.secret === true;
    if (isSecret && isMapping(value)) {
      if (typeof value.env === "string") return this.#variable(value.env, context);
      if (typeof value.file !== "string") {
        this.report(path, { message: `${label} ${SECRET_FAULT}` });
        return undefined;
      }
    } else if (isSecret && (option.type === "token" || maskUrl(`${value}`) !== value)) {
      this.warn(path, `${label} has a password. Use { env: VARIABLE } or { file: PATH }`);
    }
    const isDocument = option.type === "filter" || option.type === "pipeline";
    return this.#checked(isDocument ? BSON.EJSON.stringify(value) : value, context);
  }

  #variable(variable: string, context: ValueContext): unknown {
    this.variables.add(variable);
    const value = this.#context.env?.[variable];
    if (value) return this.#checked(value, context);
    const hint = `Set it, or give ${context.label} as { file: PATH }`;
    this.report([...context.path, "env"], { message: `The variable ${variable} is not set`, hint });
    return undefined;
  }

  #checked(value: unknown, { label, option, path }: ValueContext): unknown {
    try {
      valueOf(label, option, { options: { [label]: value } });
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      this.report(path, error);
    }
    return value;
  }
}
