/** What the benchmark is told. */
import { parseArgs } from "node:util";
import { join } from "node:path";
import { UsageError } from "../../lib/util/errors.ts";
import { type LineName, LINES } from "./lines.ts";

export type TransportName = "http" | "wire";

/** A relay or another tool: what its results are called, and the command that starts it. */
export interface Program {
  readonly name: string;
  readonly command: string;
}

export interface BenchOptions {
  readonly lines: readonly LineName[];
  readonly transports: readonly TransportName[];
  /** Of small documents; lines of larger ones have fewer. */
  readonly changes: number;
  /** For which each rate of the freshness lines is kept up. */
  readonly seconds: number;
  /** Rows that are written before anything is measured. */
  readonly warmUp: number;
  /** Where the results go, as JSON. */
  readonly json: string | undefined;
  readonly programs: readonly Program[];
  /** Other tools, for the lines that they can do. */
  readonly against: readonly Program[];
}

const TRANSPORTS: Readonly<Record<string, readonly TransportName[]>> = {
  http: ["http"],
  wire: ["wire"],
  both: ["http", "wire"],
};

const ENTRY = join(import.meta.dirname ?? "", "..", "..", "mongodb_cdc_cratedb.ts");
const OWN: Program = { name: "relay", command: `'${Deno.execPath()}' run --allow-all --quiet '${ENTRY}'` };

/**
 * @example
 * IN: ["--lines", "inserts,freshness", "--program", "old=deno run -A old/mongodb_cdc_cratedb.ts"]
 * OUT: {lines: ["inserts", "freshness"], programs: [{name: "old", command: "deno run …"}], changes: 100000, …}
 *
 * @throws UsageError
 */
export function parseOptions(args: readonly string[]): BenchOptions {
  const { values } = parse(args);
  const transports = TRANSPORTS[values.transport];
  if (!transports) throw new UsageError(`--transport is none of http, wire, both: ${values.transport}`);
  const programs = values.program?.map((text) => named(text, OWN.name)) ?? [OWN];
  const against = values.against?.map((text) => named(text, "other")) ?? [];
  checkNames([...programs, ...against]);
  return {
    lines: values.lines === undefined ? Object.keys(LINES) as LineName[] : values.lines.split(",").map(line),
    transports,
    changes: count("changes", values.changes),
    seconds: count("seconds", values.seconds),
    warmUp: count("warm-up", values["warm-up"], 0),
    json: values.json,
    programs,
    against,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        lines: { type: "string" },
        transport: { type: "string", default: "http" },
        changes: { type: "string", default: "100000" },
        seconds: { type: "string", default: "20" },
        "warm-up": { type: "string", default: "200000" },
        json: { type: "string" },
        program: { type: "string", multiple: true },
        against: { type: "string", multiple: true },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error });
  }
}

function line(text: string): LineName {
  if (!Object.hasOwn(LINES, text)) {
    throw new UsageError(`--lines has ${text}, which is none of ${Object.keys(LINES).join(", ")}`);
  }
  return text as LineName;
}

function count(flag: string, text: string, minimum = 1): number {
  if (!/^\d+$/.test(text) || Number(text) < minimum) {
    throw new UsageError(`--${flag} is not a whole number of at least ${minimum}: ${text}`);
  }
  return Number(text);
}

/** @example IN: "old=deno run -A x.ts", … → OUT: {name: "old", …}; IN: "deno run -A x.ts --a=b", "relay" → OUT: {name: "relay", …} */
function named(text: string, other: string): Program {
  const [, name = other, command = text] = /^([\w.-]+)=(.+)$/s.exec(text) ?? [];
  return { name, command };
}

function checkNames(programs: readonly Program[]): void {
  const names = programs.map(({ name }) => name);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice === undefined) return;
  throw new UsageError(`Two programs are called ${twice}: name them, as in --program new='COMMAND'`);
}
