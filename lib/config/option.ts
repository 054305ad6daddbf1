/** The entries of the option table, and the types that follow from it. */
import type { Kind } from "./kinds.ts";

/** The headings of the help and of docs/options.md, in their order. */
export const GROUPS = {
  command: "Options",
  source: "Source (MongoDB)",
  target: "Target (CrateDB)",
  snapshot: "Snapshot",
  rows: "Rows",
  performance: "Performance",
  operation: "Operation",
  log: "Log",
} as const;

export type Group = keyof typeof GROUPS;

/** How far a value applies: to all streams of a process, to one stream, or to one collection. */
export type Scope = "process" | "stream" | "collection";

/** One entry. Its key in the table is its name in programs and files; flag and variable are made from it. */
export interface Option<Value = unknown, Input = unknown, In extends Scope = Scope> extends Details {
  readonly kind: Kind<Value, Input>;
  readonly group: Group;
  readonly scope: In;
}

interface Details {
  /** As text; empty for none. */
  readonly default: string;
  /** A phrase for `--help`. */
  readonly help: string;
  /** Sentences that follow it in docs/options.md. */
  readonly details?: string;
  /** Environment variables; the first that is set wins. @default {CDC_ and the flag in capitals} */
  readonly env?: readonly string[];
  /** Flags without a value, and the value that each stands for. The first letter does the same. */
  readonly switches?: Readonly<Record<string, string>>;
}

export type OptionTable = Readonly<Record<string, Option>>;

/** Makes the entries of a group. */
export const inGroup =
  <const In extends Scope>(group: Group, scope: In) =>
  <Value, Input>(kind: Kind<Value, Input>, details: Details): Option<Value, Input, In> => ({
    kind,
    group,
    scope,
    ...details,
  });

/** A table without some options. */
export function without<Table extends OptionTable, Name extends keyof Table>(
  table: Table,
  ...names: readonly Name[]
): Omit<Table, Name> {
  const rest: Partial<Table> = { ...table };
  for (const name of names) delete rest[name];
  return rest as Omit<Table, Name>;
}

/** The parsed values of a table. */
export type Values<Table extends OptionTable> = {
  readonly [Name in keyof Table]: Table[Name] extends Option<infer Value, infer _> ? Value : never;
};

/** The values of the options with one scope. */
export const valuesIn = <Table extends OptionTable, const In extends Scope>(
  table: Table,
  values: Values<Table>,
  scope: In,
) =>
  Object.fromEntries(Object.entries(values).filter(([name]) => table[name]?.scope === scope)) as Values<
    { [Name in keyof Table as Table[Name]["scope"] extends In ? Name : never]: Table[Name] }
  >;

/** The options of a function of the library. The URLs have no default there. */
export type Inputs<Table extends OptionTable> =
  & { readonly [Name in keyof Table & Url]: Input<Table[Name]> }
  & { readonly [Name in Exclude<keyof Table, Url>]?: Input<Table[Name]> };

type Input<Each> = Each extends Option<infer _, infer Given> ? Given : never;

type Url = typeof URLS[number];
/** Options that a program has to give: data must not go to whatever listens on this machine. */
export const URLS = ["mongodbUrl", "cratedbUrl"] as const;

/** @example IN: snapshotLanes → OUT: snapshot-lanes */
export const flagOf = (name: string): string =>
  name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** @example IN: snapshotLanes, {env: undefined, …} → OUT: ["CDC_SNAPSHOT_LANES"] */
export const variablesOf = (name: string, { env }: Option): readonly string[] =>
  env ?? [`CDC_${flagOf(name).replaceAll("-", "_").toUpperCase()}`];

/** A flag without a value. */
export interface Switch {
  readonly flag: string;
  readonly letter: string;
  /** The option that it sets, and its value. */
  readonly name: string;
  readonly value: string;
}

/** @example IN: {logLevel: {switches: {quiet: "warn"}, …}} → OUT: [{flag: "quiet", letter: "q", name: "logLevel", value: "warn"}] */
export const switchesOf = (table: OptionTable): readonly Switch[] =>
  Object.entries(table).flatMap(([name, { switches = {} }]) =>
    Object.entries(switches).map(([flag, value]) => ({ flag, letter: flag.charAt(0), name, value }))
  );

/** The options under their headings. */
export const grouped = (table: OptionTable): readonly (readonly [title: string, table: OptionTable])[] =>
  Object.entries(GROUPS).flatMap(([group, title]) => {
    const options = Object.entries(table).filter(([, option]) => option.group === group);
    return options.length > 0 ? [[title, Object.fromEntries(options)] as const] : [];
  });
