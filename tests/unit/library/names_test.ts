import assert from "node:assert/strict";
import { inLibraryWords } from "../../../lib/library/names.ts";

const TEXTS: readonly (readonly [string, string])[] = [
  ["--snapshot-lanes is not a whole number", "snapshotLanes is not a whole number"],
  ["Leave some out with --exclude, or give --shards 1.", "Leave some out with exclude, or give shards 1."],
  ["Check CRATEDB_SQLALCHEMY_URL or CRATEDB_URL.", "Check cratedbUrl."],
  ["With --standby it waits", "With onHeld wait it waits"],
  ["Start mongod with --replSet rs0", "Start mongod with --replSet rs0"],
  ["SET GLOBAL max_shards_per_node = 3000", "SET GLOBAL max_shards_per_node = 3000"],
];

for (const [text, expected] of TEXTS) {
  Deno.test(`inLibraryWords() ${text}`, () => assert.equal(inLibraryWords(text), expected));
}
