import assert from "node:assert/strict";
import { proofOf, proofText } from "../../../../lib/pipeline/status/proof.ts";

const at = (verified_to: string | null) => ({ verified_to });

Deno.test("proofOf() is as old as the oldest verification", () => {
  const proof = proofOf([at("2026-01-31T14:03:09.000Z"), at(null), at("2026-01-31T14:03:07.000Z")]);
  assert.deepEqual(proof, { equal: 2, of: 3, up_to: "2026-01-31T14:03:07.000Z" });
  assert.equal(proofText(proof), "equal to MongoDB up to 2026-01-31T14:03:07.000Z (2 of 3 collections)");
});

Deno.test("proofOf() proves nothing of collections that are not verified", () => {
  for (const collections of [[], [at(null)]]) {
    assert.deepEqual(proofOf(collections), { equal: 0, of: collections.length, up_to: null });
    assert.equal(proofText(proofOf(collections)), undefined);
  }
});
