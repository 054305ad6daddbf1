/** `repair`: writes rows again that `verify` has found to differ. Only the relay that holds the lease may write them. */
import { bytesFromHex, fieldsByName } from "../../bson/bson.ts";
import type { RowKey } from "../../key/document_key.ts";
import { namespaceText } from "../../util/namespace.ts";
import { repairRows } from "../collections/repair.ts";
import { RefusedError, type Verb } from "./verb.ts";
import { type ArgumentReader, collectionName, readArguments } from "./verb_arguments.ts";

/** Keys with their `_id` as BSON of `{_id}` in hex digits, which is not given if it is unknown. */
const keys: ArgumentReader<readonly RowKey[]> = (value) => {
  if (!Array.isArray(value) || value.length === 0) throw new RangeError("is not a list of keys");
  return value.map((each) => {
    const { oid, id } = Object(each);
    if (typeof oid !== "string") throw new RangeError('has a key without "oid"');
    return { oid, id: idOf(id) };
  });
};

function idOf(hex: unknown): RowKey["id"] {
  if (hex === undefined || hex === null) return undefined;
  if (typeof hex !== "string" || !/^(?:[0-9a-f]{2})+$/i.test(hex)) {
    throw new RangeError("has an id that is not hex digits");
  }
  try {
    return fieldsByName(bytesFromHex(hex)).get("_id");
  } catch {
    throw new RangeError("has an id that is not BSON");
  }
}

export const repairVerb: Verb = {
  kind: "immediate",
  read(given) {
    const { collection, keys: wanted } = readArguments(given, { collection: collectionName, keys });
    const name = namespaceText(collection);
    return ({ stream }) =>
      stream.between(async (loop) => {
        const { scope } = loop.settings;
        if (!scope.includes(collection)) {
          throw new RefusedError(`The stream does not follow ${name}: ${scope}`);
        }
        const rows = await repairRows(collection, wanted, loop);
        if (rows === undefined) return `Not repaired: ${name} is skipped, and read again as a whole later.`;
        loop.checkpoint.applied({ hasRows: true });
        stream.log.info("Repaired rows that were found to differ", { collection: name, rows });
        return `Repaired ${rows} row${rows === 1 ? "" : "s"} of ${name}.`;
      });
  },
};
