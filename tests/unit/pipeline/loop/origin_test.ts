import assert from "node:assert/strict";
import { checkOrigin } from "../../../../lib/pipeline/loop/origin.ts";
import { OtherDeploymentError } from "../../../../lib/source/connection/mongodb_errors.ts";
import { identityOf } from "../../../../lib/source/documents/source_identity.ts";
import { UserError } from "../../../../lib/util/errors.ts";

const ORDERS = { database: "shop", collection: "orders", uuid: "01" };
const STREAM = "shop.* -> shop.{collection}";

/** Compares the replica set `saved`, that was followed, with the one that answers. */
const check = (saved: string | null, deployment: string, snapshot: "initial" | "never" | "always" | "only") =>
  checkOrigin({ collections: [ORDERS], deployment }, {
    position: { stream: STREAM, state: { origin: saved === null ? null : identityOf([ORDERS], saved) } },
    settings: { snapshot },
  });

Deno.test("checkOrigin() accepts the deployment that was followed, and any at the first start", () => {
  check("one", "one", "initial");
  check(null, "one", "initial");
});

for (const snapshot of ["initial", "never", "only"] as const) {
  Deno.test(`checkOrigin() refuses another deployment with --snapshot ${snapshot}, and says what to do`, () =>
    assert.throws(() => check("one", "other", snapshot), (error) => {
      assert.ok(error instanceof UserError);
      assert.match(
        error.message,
        /another deployment than the one that shop\.\* -> .* id other, not one/,
      );
      assert.match(error.hint ?? "", /MONGODB_URL.*--snapshot always.*forget --stream 'shop\.\* -> /s);
      return true;
    }));
}

Deno.test("checkOrigin() has a snapshot replace the rows with --snapshot always", () =>
  assert.throws(() => check("one", "other", "always"), OtherDeploymentError));
