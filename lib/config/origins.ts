/** Names the origin of the URLs in texts for people. */
import { variablesOf } from "./option.ts";
import { find, type Given } from "./read.ts";
import { CRATEDB, MONGODB } from "./relay_options.ts";

const URLS = { ...MONGODB, cratedbUrl: CRATEDB.cratedbUrl };

/** Replaces the variables of a URL in a text by its origin. */
export type Reword = (text: string) => string;

/**
 * @param all what is given for each of the streams that the text is about
 * @example
 * IN: {places: {cratedbUrl: "relay.yaml:4"}, …}, "Check the host name in CRATEDB_SQLALCHEMY_URL or CRATEDB_URL."
 * OUT: Check the host name in relay.yaml:4.
 */
export function rewordFor(...all: readonly Given[]): Reword {
  const changes = Object.entries(URLS).flatMap(([name, option]) => {
    const found = new Set(all.flatMap((given) => find(name, option, given)?.source ?? []));
    const variables = variablesOf(name, option);
    const sources = [...found].filter((each) => !variables.includes(each)).join(" or ");
    if (sources === "") return [];
    // Not in NAME=value.
    const one = `\\b(?:${variables.join("|")})\\b(?!=)`;
    return [{ pattern: new RegExp(`${one}(?: or ${one})?`, "g"), sources }];
  });
  return (text) => changes.reduce((text, { pattern, sources }) => text.replace(pattern, () => sources), text);
}
