import assert from "node:assert/strict";
import { argumentsOf } from "../../../../lib/sink/metadata/control_requests.ts";

Deno.test("argumentsOf() reads a JSON object", () => {
  assert.deepEqual(argumentsOf('{"collection": "shop.orders"}'), {
    arguments: { collection: "shop.orders" },
  });
});

for (const text of [null, "", "  "]) {
  Deno.test(`argumentsOf() reads no arguments from ${JSON.stringify(text)}`, () => {
    assert.deepEqual(argumentsOf(text), { arguments: {} });
  });
}

for (const text of ["[1]", "null", "7", "{a: 1}"]) {
  Deno.test(`argumentsOf() says why ${text} cannot be read`, () => {
    const { arguments: read, fault } = argumentsOf(text);
    assert.deepEqual(read, {});
    assert.ok(fault?.includes(text), fault);
  });
}
