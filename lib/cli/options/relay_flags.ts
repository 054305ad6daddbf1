/** Options of the relay that another program gives, as the command line would have them. */
import { BSON } from "mongodb";
import { UsageError } from "../../util/errors.ts";
import { OPTIONS } from "./options.ts";
import type { Flags } from "./read.ts";

const kebabCase = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/**
 * Options of the relay as the command line would have them.
 *
 * @example
 * IN: {database: ["a", "b"], filter: {n: 1}, snapshotLanes: 2} → OUT: {database: "a,b", filter: "{\"n\":1}", "snapshot-lanes": "2"}
 *
 * @throws UsageError for a name that is none
 */
export function relayFlags(options: object): Flags {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given.map(([name, value]) => {
    const flag = kebabCase(name);
    if (!OPTIONS["cdc-relay"].some((each) => each.flag === flag)) {
      throw new UsageError(`There is no option ${name}`, {
        hint: "docs/options.md lists them; here they are in camel case.",
      });
    }
    return [flag, flagText(value)];
  }));
}

function flagText(value: unknown): string {
  if (Array.isArray(value) && value.every((each) => typeof each === "string")) return value.join(",");
  return typeof value === "object" ? BSON.EJSON.stringify(value, { relaxed: false }) : String(value);
}
