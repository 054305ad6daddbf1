import assert from "node:assert/strict";
import { join } from "node:path";
import { picture } from "../../../dev/docs/picture.ts";

Deno.test("docs/rows.svg is what dev/docs/picture.ts prints", async () => {
  const path = join(import.meta.dirname ?? "", "..", "..", "..", "docs", "rows.svg");
  assert.equal(await Deno.readTextFile(path), picture());
});

Deno.test("picture() has its text as text, for light and dark, and loads nothing", () => {
  const svg = picture();
  assert.match(svg, /<title id="title">/);
  assert.match(svg, /<tspan class="marked">\{"temperature":"n\/a"\}<\/tspan>/);
  assert.match(svg, /prefers-color-scheme: dark/);
  assert.doesNotMatch(svg, /href=|url\(|<script|<foreignObject/);
});
