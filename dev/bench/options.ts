import { join } from "node:path";
import { parseArgs } from "node:util";
import { UsageError } from "../../lib/util/errors.ts";
import type { Program } from "./contender.ts";
import { type LineName, LINES } from "./lines.ts";

export type BenchOptions = ReturnType<typeof parseOptions>;

const ENTRY = join(import.meta.dirname ?? "", "..", "..", "mongodb_cdc_cratedb.ts");
export const OWN: Program = {
  name: "relay",
  command: `'${Deno.execPath()}' run --allow-all --quiet '${ENTRY}'`,
};

/**
 * @example
 * IN: ["--lines", "inserts,freshness", "--program", "old=deno run -A old/mongodb_cdc_cratedb.ts"]
 * OUT: {lines: ["inserts", "freshness"], programs: [{name: "old", command: "deno run …"}], changes: 100000, …}
 *
 * @throws UsageError
 */
export function parseOptions(args: readonly string[]) {
  const values = parse(args);
  const programs = values.program?.map((text) => named(text, OWN.name)) ?? [OWN];
  const against = values.against?.map((text) => named(text, "other")) ?? [];
  const names = [...programs, ...against].map(({ name }) => name);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) {
    throw new UsageError(`Two programs are named ${twice}: name them, as in --program new='COMMAND'`);
  }
  return {
    lines: values.lines?.split(",").map(lineName) ?? Object.keys(LINES) as LineName[],
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
        changes: { type: "string", default: "100000" },
        seconds: { type: "string", default: "20" },
        "warm-up": { type: "string", default: "100000" },
        json: { type: "string" },
        program: { type: "string", multiple: true },
        against: { type: "string", multiple: true },
      },
    }).values;
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error });
  }
}

function lineName(text: string): LineName {
  if (Object.hasOwn(LINES, text)) return text as LineName;
  throw new UsageError(`--lines must be some of ${Object.keys(LINES).join(", ")}: ${text}`);
}

function count(flag: string, text: string, minimum = 1): number {
  if (/^\d+$/.test(text) && Number(text) >= minimum) return Number(text);
  throw new UsageError(`--${flag} must be a whole number of at least ${minimum}: ${text}`);
}

/** @example IN: "old=deno run -A x.ts", … → OUT: {name: "old", …}; IN: "deno run -A x.ts --a=b", "relay" → OUT: {name: "relay", …} */
function named(text: string, other: string): Program {
  const [, name = other, command = text] = /^([\w.-]+)=(.+)$/s.exec(text) ?? [];
  return { name, command };
}
