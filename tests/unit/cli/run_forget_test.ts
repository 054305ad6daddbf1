import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { forgetConfig } from "../../../lib/config/config.ts";
import { confirm, forgottenText, questionText, runForget } from "../../../lib/cli/run_forget.ts";
import { UsageError } from "../../../lib/util/errors.ts";

const KEPT = {
  streams: [{ schema: "doc", stream: "shop.* -> t" }],
  rows: { cdc_position: 1, cdc_collection: 3, cdc_dead_letter: 0, cdc_lock: 2 },
};

Deno.test("questionText() lists what is deleted, and what stays", () => {
  const text = questionText(KEPT);
  assert.match(text, /^shop\.\* -> t\n {2}1 position, 3 collections, 2 table locks\n/);
  assert.match(
    text,
    /Tables with documents stay\..*new snapshot\.\nDelete the saved state\?$/s,
  );
});

Deno.test("forgottenText() lists what was deleted", () => {
  assert.equal(
    forgottenText(KEPT),
    "Forgotten: shop.* -> t\nDeleted: 1 position, 3 collections, 2 table locks",
  );
});

Deno.test("forget without a terminal is wrong usage unless --yes is given", async () => {
  const settings = forgetConfig({ flags: { "cratedb-url": "crate://127.0.0.1:1" }, env: {} });
  const context = { signal: new AbortController().signal, print: () => true };
  const canAsk = () => false;
  await assert.rejects(runForget(settings, context, canAsk), (error) => {
    assert.ok(error instanceof UsageError);
    assert.match(error.hint ?? "", /--yes/);
    return true;
  });
  await assert.rejects(runForget({ ...settings, confirm: "never" }, context, canAsk), { name: "SinkError" });
});

async function answer(typed: string | undefined): Promise<boolean> {
  const [input, output] = [new PassThrough(), new PassThrough()];
  const answered = confirm("Remove it?", input, output, new AbortController().signal);
  if (typed !== undefined) input.write(typed);
  input.end();
  const is = await answered;
  assert.equal(String(output.read()), "Remove it? [y/N] ");
  return is;
}

for (const typed of ["y\n", "yes\n", " Y \n"]) {
  Deno.test(`confirm() takes ${JSON.stringify(typed)} as yes`, async () =>
    assert.equal(await answer(typed), true));
}
for (const typed of ["\n", "n\n", "yellow\n", undefined]) {
  Deno.test(`confirm() takes ${JSON.stringify(typed)} as no`, async () =>
    assert.equal(await answer(typed), false));
}

Deno.test("confirm() takes a stop of the program as a no", async () => {
  const stop = new AbortController();
  const [input, output] = [new PassThrough(), new PassThrough()];
  const answered = confirm("Remove it?", input, output, stop.signal);
  stop.abort();
  assert.equal(await answered, false);
});
