import assert from "node:assert/strict";
import { BSON } from "mongodb";
import { parseTypes } from "../../../lib/mapping/designed_types.ts";
import { shadowOf } from "../../../lib/mapping/shadows.ts";
import { jsonOfBytes } from "../../../lib/util/json_writer.ts";

const { geo, vector } = parseTypes({ "at": "geo_point", "o.area": "geo_shape", "v": "float_vector(2)" });

function shadow(document: BSON.Document, columns = geo) {
  assert.ok(columns);
  const { json, isUnfit } = shadowOf(BSON.serialize(document), columns);
  return { value: json && JSON.parse(jsonOfBytes(json)), isUnfit };
}

Deno.test("shadowOf() has no value where the document has none, and counts only those that do not fit", () => {
  assert.deepEqual(shadow({}), { value: null, isUnfit: false });
  assert.deepEqual(shadow({ at: null, o: {} }), { value: null, isUnfit: false });
  assert.deepEqual(shadow({ at: [9.5, 47], o: { area: "x" } }), { value: { at: [9.5, 47] }, isUnfit: true });
  assert.deepEqual(shadow({ o: [{ area: [1, 2] }] }), { value: null, isUnfit: true });
});

Deno.test("shadowOf() has two coordinates of a point, and shapes in the words of GeoJSON", () => {
  assert.deepEqual(shadow({ at: { type: "Point", coordinates: [9.5, 47, 400] } }).value, { at: [9.5, 47] });
  const area = { type: "GeometryCollection", geometries: [{ type: "Point", coordinates: [1, 2] }] };
  assert.deepEqual(shadow({ o: { area } }).value, { o: { area } });
  assert.deepEqual(shadow({ o: { area: [1, 2] } }).value, {
    o: { area: { type: "Point", coordinates: [1, 2] } },
  });
});

Deno.test("shadowOf() takes vectors of the length of the column, of finite numbers of 32 bits", () => {
  const long = BSON.Long.fromString("3");
  assert.deepEqual(shadow({ v: [new BSON.Double(-0.5), long] }, vector), {
    value: { v: [-0.5, 3] },
    isUnfit: false,
  });
  for (const v of [[1], [1, 2, 3], [1, Infinity], [1, NaN], [1, 4e38], [1, "2"], [[1, 2]], {}]) {
    assert.deepEqual(shadow({ v }, vector), { value: null, isUnfit: true }, JSON.stringify(v));
  }
});
