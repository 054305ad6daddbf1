/** The documents of the benchmark, determined by their serial numbers. */
import { BSON, type Document } from "mongodb";

/** Small: about 180 bytes. Wide: 200 fields. Large: about 100 kB. */
export type Shape = "small" | "wide" | "large";

/** Number of small documents that one of a shape replaces, and documents of one bulk. */
export const SCALES: Readonly<Record<Shape, { readonly share: number; readonly bulk: number }>> = {
  small: { share: 1, bulk: 1_000 },
  wide: { share: 20, bulk: 100 },
  large: { share: 100, bulk: 20 },
};

/** Each change sets `seq`, so that a row shows which changes it contains. */
export function makeDocument(shape: Shape, serial: number): Document & { readonly _id: BSON.ObjectId } {
  return { _id: idOf(serial), seq: serial, ...FIELDS[shape](serial) };
}

/** The time in an `_id` is that of the document. */
export const idOf = (serial: number): BSON.ObjectId =>
  new BSON.ObjectId((date(serial).getTime() / 1_000).toString(16) + serial.toString(16).padStart(16, "0"));

const WIDE_FIELDS = 200;
const LARGE_ITEMS = 650;

const FIELDS: Readonly<Record<Shape, (serial: number) => Document>> = {
  small: (serial) => ({
    id: hash(serial).toString(16).toUpperCase(),
    data: { temperature: double(serial, 4_000), humidity: double(serial + 1, 10_000) },
    meta: { timestamp: date(serial), device: `device-${serial % 100}` },
    note: "between two and three",
  }),
  wide: (serial) =>
    Object.fromEntries(
      Array.from({ length: WIDE_FIELDS }, (_, at) => [`field_${at}`, WIDE[at % WIDE.length]?.(serial + at)]),
    ),
  large: (serial) => ({
    items: Array.from({ length: LARGE_ITEMS }, (_, at) => ({
      sku: `SKU-${hash(serial + at)}`,
      name: `An item of a long order, the ${at}th of ${LARGE_ITEMS}, as it was entered by hand`,
      quantity: at % 7,
      price: double(serial + at, 100_000),
      added: date(serial + at),
    })),
  }),
};

/** Values of the fields of wide documents, in turn. */
const WIDE: readonly ((serial: number) => unknown)[] = [
  (serial) => hash(serial),
  (serial) => double(serial, 10_000),
  (serial) => `value ${hash(serial)}`,
  (serial) => serial % 2 === 0,
  (serial) => date(serial),
];

const hash = (serial: number): number => Math.imul(serial + 1, 0x9e3779b1) >>> 8;
const double = (serial: number, below: number) => new BSON.Double(hash(serial) % below / 100);
const date = (serial: number) => new Date(1_720_739_862_000 + serial * 1_000);
