import assert from "node:assert/strict";
import { filled } from "../../../dev/bench/contender.ts";

Deno.test("filled() fills in what it knows, and leaves other braces alone", () => {
  const values = { "mongodb-host": "a:1", database: "b" };
  assert.equal(
    filled("load mongodb://{mongodb-host}/{database} {}{other}", values),
    "load mongodb://a:1/b {}{other}",
  );
});
