/** `repair`: writes rows again that `verify` has found to differ. Only the relay that holds the lease may write them. */
import { namespaceText } from "../../util/namespace.ts";
import { repairRows } from "../collections/repair.ts";
import { assertFollows, assertRuns } from "./verb.ts";
import { verbOf } from "./verb_arguments.ts";

export const repairVerb = verbOf("repair", "long", ({ collection, keys }) => ({ stream }) => {
  assertRuns(stream);
  assertFollows(stream, collection);
  return stream.between(async (loop) => {
    const name = namespaceText(collection);
    const rows = await repairRows(collection, keys, loop);
    if (rows === undefined) return `Not repaired: ${name} is skipped, and read again as a whole later.`;
    loop.checkpoint.applied({ hasRows: true });
    stream.log.info("Repaired rows that were found to differ", { collection: name, rows });
    return `Repaired ${rows} row${rows === 1 ? "" : "s"} of ${name}.`;
  });
});
