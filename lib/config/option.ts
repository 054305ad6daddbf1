/**
 * The entries of the option table, and the types that follow from it. An entry is data, so that the declarations of the
 * package have its type. Its key in the table is its name in programs and files; flag and variable are made from it.
 */

/** A document of MongoDB. */
export type Json = Readonly<Record<string, unknown>>;

/** The types of options, and what stands for their values in the help. */
export const PLACEHOLDERS = {
  text: "NAME",
  choice: "",
  count: "N",
  duration: "TIME",
  size: "SIZE",
  names: "NAME,…",
  paths: "PATH,…",
  omittedPaths: "PATH,…",
  collection: "DATABASE.COLLECTION",
  filter: "JSON",
  pipeline: "JSON",
  partition: "UNIT=PATH",
  retention: "TIME",
  replicas: "N",
  sinkUrl: "URL",
  token: "TOKEN",
  password: "TOKEN",
  certificate: "FILE",
  privateKey: "FILE",
  table: "[SCHEMA.]TABLE",
  worker: "K/N",
  address: "HOST:PORT",
  webhook: "URL",
  hooks: "",
  time: "TIME",
  types: "",
  fulltext: "",
  tableSettings: "",
  mix: "OP=WEIGHT,…",
  seed: "N",
};

/** What a program may give for an option of each type; a text for the others. */
interface InputTypes {
  count: number;
  /** Milliseconds, or a text with a unit. */
  duration: number | string;
  /** Bytes, or a text with a unit. */
  size: number | string;
  names: string | readonly string[];
  paths: string | readonly string[];
  omittedPaths: string | readonly string[];
  filter: Json | string;
  pipeline: readonly Json[] | string;
  types: Json;
  fulltext: Json;
  tableSettings: Json;
  partition: Readonly<Record<string, string>> | string;
}

export interface Option {
  readonly type: keyof typeof PLACEHOLDERS;
  readonly choices?: readonly string[];
  /** The minimum of a count or a size. */
  readonly least?: number | string;
  /** The limits of a duration. */
  readonly within?: readonly [from: string, to: string];
  /** Stands for the value in the help. @default {that of the type} */
  readonly placeholder?: string;
  /** As text. @default {none} */
  readonly default?: string;
  /** A phrase for `--help`. */
  readonly help: string;
  /** Sentences that follow it in docs/options.md. */
  readonly details?: string;
  /** Environment variables; the first that is set wins. @default {CDC_ and the flag in capitals} */
  readonly env?: readonly string[];
  /** Whether a file may have the value: `--FLAG-file`, `VARIABLE_FILE`, `{file: PATH}`. */
  readonly secret?: true;
  /** Flags without a value, and the value that each stands for. The first letter does the same. */
  readonly switches?: Readonly<Record<string, string>>;
}

/** Whether all of a value is secret; of a URL, only a part is. */
export const isToken = ({ type }: Pick<Option, "type">): boolean => type === "token" || type === "password";

export type OptionTable = Readonly<Record<string, Option>>;

/** The file that has a secret; it may be replaced while the program runs. */
export interface SecretFile {
  readonly file: string;
}

type Input<Each> = Each extends { readonly choices: readonly (infer Choice)[] } ? Choice
  : Each extends { readonly type: infer Type extends keyof InputTypes } ? InputTypes[Type]
  : Each extends { readonly secret: true } ? string | SecretFile
  : string;

type Url = "mongodbUrl" | "cratedbUrl";

/** The options of a function of the library. The URLs have no default there: data must not go to an unknown server. */
export type Inputs<Table> =
  & { readonly [Name in keyof Table & Url]: Input<Table[Name]> }
  & { readonly [Name in Exclude<keyof Table, Url>]?: Input<Table[Name]> };

/** @example IN: snapshotLanes → OUT: snapshot-lanes */
export const flagOf = (name: string): string =>
  name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

const variableOf = (prefix: string, name: string): string =>
  `${prefix}_${flagOf(name).replaceAll("-", "_").toUpperCase()}`;

/** @example IN: snapshotLanes, {env: undefined, …} → OUT: ["CDC_SNAPSHOT_LANES"] */
export const variablesOf = (name: string, { env }: Option): readonly string[] =>
  env ?? [variableOf("CDC", name)];

/** Gives variables with another prefix to options that name none. @example IN: "CDC_WAIT", {at} → OUT: {at: {env: ["CDC_WAIT_AT"], …}} */
export const prefixed = <Table extends OptionTable>(prefix: string, table: Table): Table =>
  Object.fromEntries(
    Object.entries(table).map(([name, option]) => [name, { env: [variableOf(prefix, name)], ...option }]),
  ) as Table;

/**
 * The flags without a value, and the option and value that each sets.
 *
 * @example IN: {logLevel: {switches: {quiet: "warn"}, …}} → OUT: [{flag: "quiet", letter: "q", name: "logLevel", value: "warn"}]
 */
export const switchesOf = (table: OptionTable) =>
  Object.entries(table).flatMap(([name, { switches = {} }]) =>
    Object.entries(switches).map(([flag, value]) => ({ flag, letter: flag.charAt(0), name, value }))
  );
