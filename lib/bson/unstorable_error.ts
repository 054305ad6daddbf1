/**
 * A document that no row can store: its bytes are not BSON or not UTF-8, a type is unknown, or a name is too long. It
 * becomes a dead letter. Any other error is a defect of this program.
 */
export class UnstorableError extends Error {
  override readonly name = "UnstorableError";
}
