import assert from "node:assert/strict";
import { addresses } from "../../../dev/package/pack.ts";

Deno.test("addresses() of a package that GitHub makes", () => {
  assert.deepEqual(addresses("owner/name"), {
    repository: { type: "git", url: "git+https://github.com/owner/name.git" },
    homepage: "https://github.com/owner/name#readme",
    bugs: { url: "https://github.com/owner/name/issues" },
  });
});

Deno.test("addresses() of a package that is made elsewhere", () => {
  for (const repository of [undefined, ""]) assert.deepEqual(addresses(repository), {});
});
