/** What an option is: flag, environment variable, default, check and help. */

export interface Option<Flag extends string = string, Value = unknown> {
  readonly flag: Flag;
  /** Environment variables; the first that is set wins. */
  readonly env: readonly string[];
  readonly default: string;
  /** A placeholder for the value in the help. */
  readonly value: string;
  readonly help: string;
  /** @throws RangeError, whose message follows the name of the option */
  readonly parse: (text: string) => Value;
  /** Whether giving the flag again adds to the list. */
  readonly list?: true;
  /** Whether the value is secret: a file may have it, which `--FLAG-file` or a variable with `_FILE` at its end names. */
  readonly file?: true;
}

/** The option that names a file with the value of another one. @example IN: --mongodb-url → OUT: --mongodb-url-file FILE */
export const fileOf = <const Flag extends string>({ flag, env }: Option<Flag>) =>
  option({
    flag: `${flag}-file` as const,
    env: env.map((name) => `${name}_FILE`),
    default: "",
    value: "FILE",
    help: `File that has the value of --${flag}, as Docker and Kubernetes give secrets`,
    parse: (path) => path,
  });

/** An option whose flag and type of value the compiler knows. */
export const option = <const Flag extends string, Value>(
  definition: Option<Flag, Value>,
): Option<Flag, Value> => definition;

/** @example "log-level" → "logLevel" */
type CamelCase<Text extends string> = Text extends `${infer Head}-${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : Text;

/** The values of some options, by their flags in camel case. What a file has is a value of the option without `-file`. */
export type Values<Options extends readonly Option[]> = {
  readonly [
    Each in Options[number] as Each["flag"] extends `${string}-file` ? never : CamelCase<Each["flag"]>
  ]: ReturnType<Each["parse"]>;
};
