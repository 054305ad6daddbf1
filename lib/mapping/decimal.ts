/** Decimal numbers by their digits: which of them a NUMERIC column stores unchanged. Pure. */
import { BSON } from "../bson/library.ts";
import { BsonType, type BsonValue, float64At, int32At, int64At } from "../bson/bson.ts";
import type { JsonWriter } from "../util/json_writer.ts";

/** The digits of a NUMERIC, and those of them after the point. */
export interface Precision {
  readonly precision: number;
  readonly scale: number;
}

/** A number without zeros at either end: its digits, times ten to the power of the exponent. */
interface Decimal {
  readonly sign: string;
  readonly digits: string;
  readonly exponent: number;
}

const DECIMAL = /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/i;

/** Undefined for what is no number, and for negative zero. @example IN: -0.110E+3 → OUT: {sign: "-", digits: "11", exponent: 1} */
function decimalOf(text: string): Decimal | undefined {
  const [, sign = "", whole, fraction = "", power = "0"] = DECIMAL.exec(text) ?? [];
  if (whole === undefined) return undefined;
  const all = (whole + fraction).replace(/^0+/, "");
  const digits = all.replace(/0+$/, "");
  if (digits === "") return sign === "" ? { sign, digits: "0", exponent: 0 } : undefined;
  return { sign, digits, exponent: Number(power) - fraction.length + all.length - digits.length };
}

/** Whether two texts are the same number, by all of their digits. @example IN: 1.10, 11E-1 → OUT: true */
export function isSameDecimal(one: string, other: string): boolean {
  const text = JSON.stringify(decimalOf(one));
  return text !== undefined && text === JSON.stringify(decimalOf(other));
}

/** The number in plain digits if a NUMERIC stores all of them. @example IN: 1.1E+3, NUMERIC(6, 2) → OUT: 1100; IN: 1.234 → OUT: undefined */
export function numericText(text: string, { precision, scale }: Precision): string | undefined {
  const decimal = decimalOf(text);
  if (!decimal) return undefined;
  const { sign, digits, exponent } = decimal;
  if (exponent < -scale || digits.length + exponent > precision - scale) return undefined;
  if (exponent >= 0) return sign + digits + "0".repeat(exponent);
  const padded = digits.padStart(1 - exponent, "0");
  return `${sign}${padded.slice(0, exponent)}.${padded.slice(exponent)}`;
}

const TEXTS: Readonly<Record<number, (bytes: Uint8Array, offset: number) => string>> = {
  [BsonType.int32]: (bytes, offset) => String(int32At(bytes, offset)),
  [BsonType.int64]: (bytes, offset) => String(int64At(bytes, offset)),
  [BsonType.double]: (bytes, offset) => {
    const value = float64At(bytes, offset);
    return Object.is(value, -0) ? "-0" : String(value);
  },
  [BsonType.decimal128]: (bytes, offset) =>
    new BSON.Decimal128(bytes.subarray(offset, offset + 16)).toString(),
};

/** The text of a number of BSON, of a double the shortest one; undefined for other types. */
export const decimalText = ({ type, bytes, offset }: BsonValue): string | undefined =>
  TEXTS[type]?.(bytes, offset);

/** Writes a number as text, of which CrateDB reads all digits; a number it reads as a double. @returns false, with nothing written, if the column would change it */
export function writeNumeric(json: JsonWriter, value: BsonValue, numeric: Precision): boolean {
  const text = numericText(decimalText(value) ?? "", numeric);
  if (text === undefined) return false;
  json.quote();
  json.ascii(text);
  json.quote();
  return true;
}
