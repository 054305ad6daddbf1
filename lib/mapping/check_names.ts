/** Names that CrateDB's parser does not take. */
import { BsonType, type BsonValue, ElementCursor } from "../bson/bson.ts";
import { asDocument } from "../bson/build.ts";
import { UnstorableError } from "../bson/unstorable_error.ts";

/** The limit of CrateDB's JSON parser for one name, in units of UTF-16. */
const MAX_NAME_CHARACTERS = 50_000;
const SHOWN_CHARACTERS = 40;

/** Values with names in them. */
const NESTING: readonly number[] = [BsonType.document, BsonType.array, BsonType.codeWithScope];

/**
 * Looks for a name that is too long for CrateDB, at any depth. Most documents are shorter than that, and are not read.
 *
 * @example
 * IN: {_id: 1, [51,000 times "k"]: 1} → OUT: UnstorableError "A field name has 51000 characters, and CrateDB takes 50000: kkk…"
 *
 * @throws UnstorableError
 */
export function checkNames(value: BsonValue): void {
  if (value.length <= MAX_NAME_CHARACTERS) return;
  const { bytes, offset } = value.type === BsonType.array ? value : asDocument(value) ?? value;
  const element = new ElementCursor(bytes, offset);
  while (element.next()) {
    const { type, nameLength } = element;
    const name = nameLength > MAX_NAME_CHARACTERS ? element.name.text : "";
    if (name.length > MAX_NAME_CHARACTERS) {
      throw new UnstorableError(
        `A field name has ${name.length} characters, and CrateDB takes ${MAX_NAME_CHARACTERS}: ` +
          `${name.slice(0, SHOWN_CHARACTERS)}…`,
      );
    }
    if (NESTING.includes(type)) checkNames(element.value);
  }
}
