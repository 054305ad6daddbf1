import assert from "node:assert/strict";
import { byHand } from "../../../dev/demo/by_hand.ts";

Deno.test("byHand() gives psql a URL that it reads, without the password", () => {
  const sinkUrl = "crate+psycopg://me:s3cret@db.example.org/doc";
  const [, psql] = byHand({
    mongodbUrl: "mongodb://localhost/",
    sinkUrl,
    table: { schema: "doc", name: "data" },
  });
  assert.match(psql ?? "", /^psql 'postgresql:\/\/me:\*\*\*@db\.example\.org\/doc' -c /);
});
