import assert from "node:assert/strict";
import { StaleRows, type StaleRowsDeps } from "../../../../lib/pipeline/snapshot/stale_rows.ts";
import type { Logger } from "../../../../lib/util/log.ts";

const ORDERS = { database: "shop", collection: "orders" };
/** Of a key that is too long. */
const HASH = `{"$sha256":"${"0a".repeat(32)}"}`;

interface Given {
  readonly rows: readonly string[];
  /** Pages of keys of dead letters. @default {none} */
  readonly letters?: readonly string[][];
  /** Keys that have documents. */
  readonly there: readonly string[];
  readonly isOwn?: (oid: string) => boolean;
}

async function removed({ rows, letters = [], there, isOwn = () => true }: Given) {
  const gone: string[] = [];
  const warned: string[] = [];
  const applier = {
    shardKey: [],
    async *deadKeys() {
      yield* letters;
    },
    refresh: () => Promise.resolve(),
    remove: (oids: readonly string[]) => Promise.resolve(void gone.push(...oids)),
    async *keys() {
      yield await Promise.resolve(rows);
    },
  };
  const deps = {
    causalReader: {},
    reader: {
      keysOf: () => Promise.resolve(new Set(there)),
      keysAmong: (_: unknown, keys: ReadonlySet<string>) =>
        Promise.resolve([...keys].filter((key) => there.includes(key))),
    },
    share: {
      among: (_: unknown, keys: readonly { readonly oid: string }[]) =>
        Promise.resolve(keys.filter(({ oid }) => isOwn(oid))),
    },
    tables: { of: () => Promise.resolve(applier), sharer: () => Promise.resolve(undefined) },
    settings: { for: () => ({ onDrop: "truncate" }) },
    log: { info: () => {}, warn: (message: string) => void warned.push(message) } as Partial<Logger>,
  };
  assert.equal(await new StaleRows(ORDERS, deps as unknown as StaleRowsDeps).remove(() => false), true);
  return { gone, warned };
}

Deno.test("StaleRows removes rows of deleted documents", async () =>
  assert.deepEqual(await removed({ rows: ["a", "b", "c"], there: ["b"] }), { gone: ["a", "c"], warned: [] }));

Deno.test("StaleRows removes dead letters of deleted documents, page by page", async () => {
  const letters = [["x", "a"], ["y"]];
  assert.deepEqual((await removed({ rows: ["a"], letters, there: ["a"] })).gone, ["x", "y"]);
});

Deno.test("StaleRows keeps rows of other relays", async () =>
  assert.deepEqual(await removed({ rows: ["a", "b", "c"], there: [], isOwn: (oid) => oid === "b" }), {
    gone: ["b"],
    warned: [],
  }));

Deno.test("StaleRows keeps a row that belongs to no worker, and warns if its document is deleted", async () => {
  const isOwn = (oid: string) => oid !== HASH;
  const [gone, there] = [
    await removed({ rows: ["a", HASH], there: [], isOwn }),
    await removed({
      rows: [HASH],
      there: [HASH],
      isOwn,
    }),
  ];
  assert.deepEqual(gone.gone, ["a"]);
  assert.match(gone.warned.join(), /their keys do not show which relay they belong to/);
  assert.deepEqual(there, { gone: [], warned: [] });
});
