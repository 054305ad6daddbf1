import assert from "node:assert/strict";
import { Scope } from "../../../../lib/source/documents/scope.ts";
import {
  type Catalogue,
  namesText,
  type Unmatched,
  unmatchedNames,
  unmatchedText,
} from "../../../../lib/source/documents/unmatched.ts";

const DATABASES: Readonly<Record<string, readonly string[]>> = {
  admin: ["system.users"],
  shop: ["orders", "users", "system.views", "active"],
  weather: ["readings"],
};

const CATALOGUE: Catalogue = {
  databases: () => Promise.resolve(Object.keys(DATABASES)),
  collections: (database) => Promise.resolve(DATABASES[database]),
};

/** What a scope finds there, of which `active` is a view. */
const found = (scope: Scope) =>
  Object.entries(DATABASES).flatMap(([database, names]) =>
    names.filter((name) => name !== "active").map((collection) => ({ database, collection }))
  ).filter((each) => scope.includes(each));

const of = (databases: string, collections: string, catalogue = CATALOGUE): Promise<readonly Unmatched[]> => {
  const scope = new Scope({
    databases: databases.split(","),
    collections: collections.split(","),
    exclude: [],
  });
  return unmatchedNames(scope, found(scope), catalogue);
};

/** Databases and collections of a scope, and what matches nothing: kind, name, similar name. */
const CASES:
  readonly (readonly [string, string, readonly (readonly [string, string, string | undefined])[]])[] = [
    ["shop", "orders", []],
    ["shop", "*", []],
    ["*", "*", []],
    ["shop", "active", []],
    ["shpo", "*", [["database", "shpo", "shop"]]],
    ["shpo", "orders", [["database", "shpo", "shop"]]],
    ["store_*", "*", [["database", "store_*", undefined]]],
    ["shop,wether", "*", [["database", "wether", "weather"]]],
    ["shop", "ordrs", [["collection", "ordrs", "orders"]]],
    ["shop", "shop.orders", [["collection", "shop.orders", "orders"]]],
    ["shop", "orders,tmp_*", [["collection", "tmp_*", undefined]]],
    ["*", "readings,usres", [["collection", "usres", "users"]]],
  ];

for (const [databases, collections, expected] of CASES) {
  Deno.test(`unmatchedNames() of ${databases}.${collections}`, async () => {
    const unmatched = await of(databases, collections);
    assert.deepEqual(unmatched.map(({ kind, name, similar }) => [kind, name, similar]), expected);
  });
}

Deno.test("unmatchedNames() names what exists, without MongoDB's own names", async () => {
  assert.deepEqual((await of("shpo", "*"))[0]?.existing, ["shop", "weather"]);
  assert.deepEqual((await of("shop", "ordrs"))[0]?.existing, ["active", "orders", "users"]);
});

Deno.test("unmatchedNames() claims nothing if the user may not list what exists", async () => {
  assert.deepEqual(await of("shpo", "*", { ...CATALOGUE, databases: () => Promise.resolve(undefined) }), []);
  assert.deepEqual(
    await of("shop", "ordrs", { ...CATALOGUE, collections: () => Promise.resolve(undefined) }),
    [],
  );
});

Deno.test("unmatchedText() names what exists, and no more than twenty", async () => {
  const [unmatched] = await of("shpo", "*");
  assert.ok(unmatched);
  assert.equal(unmatchedText(unmatched), "No database matches shpo; MongoDB shows these: shop, weather");
  assert.equal(namesText([]), "none");
  assert.match(namesText(Array.from({ length: 25 }, (_, at) => `c${at}`)), /, c19 and 5 more$/);
});
