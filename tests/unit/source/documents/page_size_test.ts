import assert from "node:assert/strict";
import { PageSize } from "../../../../lib/source/documents/page_size.ts";

const MEGABYTE = 2 ** 20;

Deno.test("PageSize asks for as many documents as fill a reply", () => {
  const size = new PageSize(4 * MEGABYTE);
  assert.equal(size.documents, 100);
  size.read(100, 100 * 40_000);
  assert.equal(size.documents, 104);
  size.read(1, 15 * MEGABYTE);
  assert.equal(size.documents, 1);
});

Deno.test("PageSize trusts small documents by and by", () => {
  const size = new PageSize(4 * MEGABYTE);
  size.read(4, 4 * MEGABYTE);
  assert.equal(size.documents, 4);
  size.read(4, 4 * 100);
  assert.equal(size.documents, 7);
  for (let n = 0; n < 20; n++) size.read(1_000, 100_000);
  assert.ok(size.documents > 10_000);
});

Deno.test("PageSize learns nothing of an empty reply", () => {
  const size = new PageSize(MEGABYTE);
  size.read(0, 0);
  assert.equal(size.documents, 100);
});
