import assert from "node:assert/strict";
import { outputTo } from "../../../lib/cli/main.ts";
import { UserError } from "../../../lib/util/errors.ts";

const failing = (code: string) =>
  outputTo({
    write: () => {
      throw Object.assign(new Error(`${code}: not written`), { code });
    },
  });

Deno.test("print() writes lines", () => {
  const written: string[] = [];
  const output = outputTo({ write: (text) => written.push(text) });
  output.print("one");
  output.print("two");
  assert.deepEqual(written, ["one\n", "two\n"]);
  assert.equal(output.closed.aborted, false);
});

for (const code of ["EPIPE", "EIO"]) {
  Deno.test(`print() does not fail if the output is closed: ${code}`, () => {
    const output = failing(code);
    output.print("one");
    assert.equal(output.closed.aborted, true);
    output.print("two");
  });
}

Deno.test("print() fails if the text cannot be written: ENOSPC", () => {
  const output = failing("ENOSPC");
  assert.throws(
    () => output.print("one"),
    (error) => error instanceof UserError && /ENOSPC/.test(error.message),
  );
  assert.equal(output.closed.aborted, false);
});
