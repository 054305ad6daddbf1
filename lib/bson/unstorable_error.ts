/**
 * A document, or a value of one, that no row can hold: bytes that are no BSON or no UTF-8, an unknown type, a name that
 * is too long. Its row becomes a dead letter. Any other error is a fault of this program, and never one of a document.
 *
 * @example
 * IN: a document that ends after its first field → OUT: UnstorableError "A document of 32 bytes in 11 (at byte 0)"
 */
export class UnstorableError extends Error {
  override readonly name = "UnstorableError";
}
