/** Rows with their JSON as text, as a user reads it. */
import type { BsonValue } from "../../lib/bson/bson.ts";
import type { Column } from "../../lib/mapping/column_tree.ts";
import { splitDocument } from "../../lib/mapping/split_document.ts";
import { splitForJsonb } from "../../lib/mapping/split_for_jsonb.ts";
import { jsonOfBytes } from "../../lib/util/json_writer.ts";

interface Bytes {
  readonly data: Uint8Array;
  readonly overflow: Uint8Array | null;
}

/** @example IN: {oid: "1", data: the bytes of {\"a\":1}, overflow: null} → OUT: {oid: "1", data: '{"a":1}', overflow: null} */
export const asText = <Row extends Bytes>({ data, overflow, ...rest }: Row) => ({
  ...rest,
  data: jsonOfBytes(data),
  overflow: overflow && jsonOfBytes(overflow),
});

export const splitText = (document: Uint8Array, columns: Column) => asText(splitDocument(document, columns));
export const splitTextForJsonb = (document: BsonValue) => asText(splitForJsonb(document));
