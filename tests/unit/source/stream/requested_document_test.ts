import assert from "node:assert/strict";
import type { FullDocument } from "../../../../lib/source/stream/open_stream.ts";
import { requestedDocument } from "../../../../lib/source/stream/requested_document.ts";

const CASES:
  readonly (readonly [collections: readonly (FullDocument | "transformed")[], expected: string])[] = [
    [["lookup"], "lookup"],
    [["required", "required"], "required"],
    [["transformed"], "none"],
    [["transformed", "lookup"], "lookup"],
    [["transformed", "required"], "required"],
    [["lookup", "updateLookup"], "updateLookup"],
    [["lookup", "required"], "whenAvailable"],
    [["updateLookup", "whenAvailable"], "whenAvailable"],
  ];

for (const [collections, expected] of CASES) {
  Deno.test(`requestedDocument() of ${collections.join(", ")} is ${expected}`, () => {
    const all = collections.map((each) =>
      each === "transformed"
        ? { transform: [{ $unset: "card" }], fullDocument: "lookup" as const }
        : { transform: [], fullDocument: each }
    );
    assert.equal(requestedDocument(all), expected);
  });
}
