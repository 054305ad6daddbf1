/** A document as JSON, value by value as the type table says, with no regard to columns. */
import { BsonType, type BsonValue, elements, nameOf } from "./bson.ts";
import { asDocument, SCALARS } from "./kinds.ts";

/** A document that no row can hold, e.g. one with two equal keys; its row becomes a dead letter. */
export class UnstorableError extends Error {
  override readonly name = "UnstorableError";
}

/**
 * JSON text of a BSON value.
 *
 * @example
 * IN: {n: Long(9007199254740993), d: Double(1), at: Date(0)}
 * OUT: {"n":9007199254740993,"d":1.0,"at":0}
 *
 * @throws UnstorableError for equal keys and unknown types
 */
export function jsonOf(value: BsonValue): string {
  const scalar = SCALARS[value.type];
  if (scalar) return scalar.json(value.bytes, value.offset, value.length);
  if (value.type === BsonType.array) {
    const items: string[] = [];
    for (const [type, , , offset, length] of elements(value.bytes, value.offset)) {
      items.push(jsonOf({ type, bytes: value.bytes, offset, length }));
    }
    return `[${items.join(",")}]`;
  }
  const document = asDocument(value);
  if (!document) throw new UnstorableError(`Unknown BSON type ${value.type}`);
  const members = new Map<string, string>();
  for (const element of elements(document.bytes, document.offset)) {
    const [type, , , offset, length] = element;
    const name = nameOf(document.bytes, element);
    if (members.has(name)) throw new UnstorableError(`Two equal keys in one object: ${JSON.stringify(name)}`);
    members.set(name, jsonOf({ type, bytes: document.bytes, offset, length }));
  }
  return `{${[...members].map(([name, json]) => `${JSON.stringify(name)}:${json}`).join(",")}}`;
}
