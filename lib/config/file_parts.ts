/** The parts of `relay.yaml`: the options that they have, and what is wrong with them. */
import * as v from "valibot";
import { UsageError } from "../util/errors.ts";
import { maskUrl } from "../util/mask_url.ts";
import type { Problem } from "./config_error.ts";
import { flagOf, type Option, type OptionTable } from "./option.ts";
import { inProgramWords } from "./program_options.ts";
import type { Environment } from "./read.ts";
import { given, isMapping, issueText, relaySchema, serverOption, SERVERS } from "./relay_schema.ts";
import { parseYaml, type Path, type YamlText } from "./yaml_text.ts";

/** The options of a part by name, and their paths in the file. */
export interface Part {
  readonly options: Readonly<Record<string, unknown>>;
  readonly paths: Readonly<Record<string, Path>>;
}

/** The last part wins. */
export const merged = (...parts: readonly (Part | undefined)[]): Part => ({
  options: Object.assign({}, ...parts.map((each) => each?.options)),
  paths: Object.assign({}, ...parts.map((each) => each?.paths)),
});

const step = (node: unknown, key: string | number): unknown =>
  isMapping(node) && Object.hasOwn(node, key) ? node[key] : undefined;

/** The value of a file with one of its streams; with all if it lacks that one. */
function withOne(stream: string, value: unknown): unknown {
  const found = ["streams", stream].reduce(step, value);
  return isMapping(value) && found !== undefined ? { ...value, streams: { [stream]: found } } : value;
}

interface FileContext {
  readonly path: string;
  readonly env: Environment;
  readonly stream: string | undefined;
}

export class FileParts {
  readonly problems: Problem[];
  readonly warnings: string[] = [];
  /** Variables that the file names. */
  readonly variables = new Set<string>();
  readonly #yaml: YamlText;
  readonly #value: unknown;
  readonly #path: string;
  readonly #env: Environment;

  /** @param options.stream leaves out the other streams, with their secrets */
  constructor(text: string, { path, env, stream }: FileContext) {
    this.#yaml = parseYaml(text);
    this.#path = path;
    this.#env = env;
    this.problems = [...this.#yaml.problems];
    this.#value = stream === undefined ? this.#yaml.value : withOne(stream, this.#yaml.value);
    const { issues = [] } = this.#value === undefined ? {} : v.safeParse(relaySchema(env), this.#value);
    for (const issue of issues) {
      this.report((issue.path ?? []).map(({ key }) => key as string | number), issueText(issue));
    }
  }

  keysAt(path: Path): readonly string[] {
    return Object.keys(path.reduce(step, this.#value) ?? {});
  }

  /** Options of a table. The file has no errors. */
  part(path: Path, table: OptionTable, nameOf = (key: string): string => key): Part {
    const node = path.reduce(step, this.#value);
    const found = Object.entries(table).flatMap(([key, option]) => {
      const value = step(node, key);
      if (value === undefined) return [];
      const own = [...path, key];
      if (option.secret) this.#noteSecret(own, value, option);
      return [{ name: nameOf(key), path: own, value: given(option, value, this.#env) }];
    });
    return {
      options: Object.fromEntries(found.map(({ name, value }) => [name, value])),
      paths: Object.fromEntries(found.map(({ name, path }) => [name, path])),
    };
  }

  /** The options of a server; undefined if the part is not there. */
  server(path: Path, server: keyof typeof SERVERS): Part | undefined {
    const own = [...path, server];
    if (own.reduce(step, this.#value) === undefined) return undefined;
    return this.part(own, SERVERS[server], (key) => serverOption(server, key));
  }

  /** @example OUT: {lease: "relay.yaml:12", …} */
  placesOf({ paths }: Part): Readonly<Record<string, string>> {
    return Object.fromEntries(Object.entries(paths).map(([name, path]) => [name, this.#placeText(path)]));
  }

  report(path: Path, message: string, hint?: string): void {
    this.problems.push({ ...this.#yaml.placeOf(path), message, hint });
  }

  /** Calls a function, and reports a UsageError: at the first option of the part that its message names. */
  attempt<Result>(path: Path, { paths }: Part, make: () => Result): Result | undefined {
    try {
      return make();
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      const { message, hint } = error;
      const place = (name: string) => message.search(new RegExp(`--${flagOf(name)}\\b`));
      const named = Object.keys(paths).filter((name) => place(name) >= 0);
      const [first = ""] = named.sort((one, other) => place(one) - place(other));
      this.report(paths[first] ?? path, inProgramWords(message), hint && inProgramWords(hint));
      return undefined;
    }
  }

  #noteSecret(path: Path, value: unknown, { type }: Option): void {
    if (isMapping(value)) {
      if (typeof value.env === "string") this.variables.add(value.env);
    } else if (type === "token" || maskUrl(`${value}`) !== value) {
      const what = path.slice(-2).join(".");
      this.warnings.push(
        `${this.#placeText(path)}: ${what} has a password. Use { env: VARIABLE } or { file: PATH }`,
      );
    }
  }

  #placeText(path: Path): string {
    return `${this.#path}:${this.#yaml.placeOf(path).line}`;
  }
}
