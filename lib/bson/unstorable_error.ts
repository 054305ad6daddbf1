/** A document that no row can store: not BSON, not UTF-8, an unknown type, or a long name. It becomes a dead letter. */
export class UnstorableError extends Error {
  override readonly name = "UnstorableError";
}
