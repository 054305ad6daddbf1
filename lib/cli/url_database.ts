/** A database in the path of MONGODB_URL is easily taken for the one that is followed. */
import { ConnectionString } from "mongodb-connection-string-url";
import type { Logger } from "../util/log.ts";
import { type Given, readOptions, sourceOf } from "../config/options/read.ts";
import { MONGODB_URL, SCOPE } from "../config/options/source.ts";

/** Databases that users log in to; `testdrive` is followed by default. */
const EXPECTED = ["", "admin", "testdrive"];

/**
 * Warns if MONGODB_URL names a database, and no option does.
 *
 * @example
 * IN: mongodb://host/shop, without --database
 * OUT: WARN The database in MONGODB_URL is for the login alone, testdrive is followed use="--database shop"
 *
 * @throws UsageError
 */
export function warnOfUrlDatabase(given: Given, log: Logger): void {
  const isNamed = SCOPE.some((option) => option.flag === "database" && sourceOf(option, given) !== undefined);
  if (isNamed) return;
  const database = databaseOf(readOptions([MONGODB_URL], given).mongodbUrl);
  if (EXPECTED.includes(database)) return;
  log.warn("The database in MONGODB_URL is for the login alone, testdrive is followed", {
    use: `--database ${database}`,
  });
}

/** Empty for a URL that names none, or that is malformed. */
function databaseOf(url: string): string {
  try {
    return decodeURIComponent(new ConnectionString(url).pathname.slice(1));
  } catch {
    return "";
  }
}
