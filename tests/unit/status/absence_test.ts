import assert from "node:assert/strict";
import { type Absence, absenceText } from "../../../lib/status/absence.ts";

const NONE: Absence = {
  user: "reader",
  seesAll: false,
  server: "CrateDB",
  wanted: undefined,
  existing: [],
  schema: "doc",
};
const GRANT = 'If it exists: GRANT DQL ON SCHEMA "doc" TO "reader"';

Deno.test("absenceText() does not claim that no stream exists if the user may not see it", () => {
  assert.deepEqual(absenceText(NONE), [
    "No stream is visible to the user reader: none exists yet, or the user has no rights on the schema of the relay's own tables.",
    GRANT,
  ]);
  assert.match(
    absenceText({ ...NONE, server: "PostgreSQL" }).at(-1) ?? "",
    /^If it exists: GRANT USAGE ON SCHEMA/,
  );
});

Deno.test("absenceText() claims it if the user sees all", () => {
  assert.deepEqual(absenceText({ ...NONE, user: "crate", seesAll: true, wanted: "shop.* -> t" }), [
    "No stream exists yet: no relay has written to this CrateDB.",
  ]);
});

Deno.test("absenceText() of an unknown name lists the streams that exist", () => {
  const existing = ["shop.* -> a", "weather.* -> b"];
  assert.deepEqual(absenceText({ ...NONE, user: "crate", seesAll: true, wanted: "shpo.* -> a", existing }), [
    "No relay has followed this stream: shpo.* -> a",
    "These exist:",
    "  shop.* -> a",
    "  weather.* -> b",
  ]);
  const limited = absenceText({ ...NONE, wanted: "shpo.* -> a", existing });
  assert.equal(limited[0], "The user reader sees no stream of this name: shpo.* -> a");
  assert.equal(limited.at(-1), GRANT);
});

Deno.test("absenceText() lists twenty streams at most", () => {
  const existing = Array.from({ length: 30 }, (_, at) => `s${at}`);
  const lines = absenceText({ ...NONE, seesAll: true, wanted: "x", existing });
  assert.deepEqual([lines.length, lines.at(-1)], [23, "  and 10 more"]);
});
