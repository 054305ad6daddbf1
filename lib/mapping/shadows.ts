/** The values of the columns `geo` and `vector`: points, shapes and vectors. Pure. */
import {
  BsonType,
  type BsonValue,
  documentValue,
  float64At,
  int32At,
  int64At,
  itemsOf,
  stringAt,
} from "../bson/bson.ts";
import { asDocument } from "../bson/build.ts";
import { jsonBytes } from "../util/json_writer.ts";
import { jsonOf } from "./bson_to_json.ts";
import { isNull } from "./classify.ts";
import type { Column } from "./column_tree.ts";
import type { ShadowKind } from "./column_types.ts";
import { valueAt } from "./partition.ts";

export interface ShadowValue {
  /** As {@linkcode jsonBytes} makes it; null without a value. */
  readonly json: Uint8Array | null;
  /** Whether a value has no form that its column takes. */
  readonly isUnfit: boolean;
}

/**
 * @example
 * IN: {at: {type: "Point", coordinates: [9.7, 47.4]}, v: [1]}, {at: geo_point} → OUT: {json: {"at":[9.7,47.4]}, isUnfit: false}
 * IN: {at: "Dornbirn"}, {at: geo_point} → OUT: {json: null, isUnfit: true}
 */
export function shadowOf(document: Uint8Array, columns: Column): ShadowValue {
  const found = { isUnfit: false };
  const object = objectOf(documentValue(document), columns, found);
  return { json: object === null ? null : jsonBytes(JSON.stringify(object)), ...found };
}

type Shape = number | readonly Shape[] | { readonly [name: string]: Shape | string };

/** Null if nothing below fits. */
function objectOf(
  value: BsonValue,
  { children = new Map() }: Column,
  found: { isUnfit: boolean },
): Shape | null {
  const entries = [...children].flatMap(([name, column]: readonly [string, Column]) => {
    const below = valueAt(value, [name]);
    if (!below || isNull(below.type)) return [];
    if (column.children && asDocument(below)) {
      const object = objectOf(below, column, found);
      return object === null ? [] : [[name, object] as const];
    }
    const made = MAKERS[column.kind as ShadowKind]?.(below, column);
    if (made === undefined) found.isUnfit = true;
    return made === undefined ? [] : [[name, made] as const];
  });
  return entries.length === 0 ? null : Object.fromEntries(entries);
}

const MAKERS: Readonly<Record<ShadowKind, (value: BsonValue, column: Column) => Shape | undefined>> = {
  geo_point: (value) => position(geometry(value, "Point") ?? value),
  geo_shape: (value) => value.type === BsonType.array ? pointOf(position(value)) : shape(value),
  float_vector: (value, { length }) => {
    const items = value.type === BsonType.array ? itemsOf(value) : [];
    const numbers = items.map(singleNumber).filter((each) => each !== undefined);
    return items.length === length && numbers.length === length ? numbers : undefined;
  },
};

const NUMBERS: Readonly<Record<number, (bytes: Uint8Array, offset: number) => number>> = {
  [BsonType.double]: float64At,
  [BsonType.int32]: int32At,
  [BsonType.int64]: (bytes, offset) => Number(int64At(bytes, offset)),
};

const numberWithin = (limit: number) => ({ type, bytes, offset }: BsonValue): number | undefined => {
  const number = NUMBERS[type]?.(bytes, offset);
  return number !== undefined && Math.abs(number) <= limit ? number : undefined;
};

const singleNumber = numberWithin((2 - 2 ** -23) * 2 ** 127);
const longitude = numberWithin(180);
const latitude = numberWithin(90);

type Position = readonly [longitude: number, latitude: number];

/** Without the altitude. */
function position(value: BsonValue): Position | undefined {
  const [first, second] = value.type === BsonType.array ? itemsOf(value) : [];
  const [x, y] = [first && longitude(first), second && latitude(second)];
  return x === undefined || y === undefined ? undefined : [x, y];
}

const GEOMETRY = /^(?:(?:Multi)?(?:Point|LineString|Polygon)|GeometryCollection)$/;

/** CrateDB itself finds out whether a shape is valid: its row is written again without it. */
const shape = (value: BsonValue): Shape | undefined =>
  GEOMETRY.test(typeOf(value)) ? JSON.parse(jsonOf(value)) : undefined;

const pointOf = (coordinates: Position | undefined): Shape | undefined =>
  coordinates && { type: "Point", coordinates };

/** The type of a geometry; empty for none. */
function typeOf(value: BsonValue): string {
  const type = asDocument(value) && valueAt(value, ["type"]);
  return type?.type === BsonType.string ? stringAt(type.bytes, type.offset) : "";
}

const geometry = (value: BsonValue, type: string): BsonValue | undefined =>
  typeOf(value) === type ? valueAt(value, ["coordinates"]) : undefined;
