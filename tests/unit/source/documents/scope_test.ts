import assert from "node:assert/strict";
import type { Document } from "mongodb";
import { UsageError } from "../../../../lib/util/errors.ts";
import { namespaceText } from "../../../../lib/util/namespace.ts";
import { Scope, type ScopeOptions } from "../../../../lib/source/documents/scope.ts";

const scope = (
  databases: string,
  collections: string,
  exclude = "",
): Scope =>
  new Scope({ databases: databases.split(","), collections: collections.split(","), exclude: list(exclude) });

const list = (text: string): ScopeOptions["exclude"] => text.split(",").filter(Boolean);

const namespace = (database: string, collection: string) => ({ database, collection });

/** Databases, collections; level, what is named, text. */
const LEVELS: readonly (readonly [string, string, Scope["level"], Scope["only"], string])[] = [
  ["shop", "orders", "collection", namespace("shop", "orders"), "shop.orders"],
  ["shop", "order.lines", "collection", namespace("shop", "order.lines"), "shop.order.lines"],
  ["shop", "*", "database", { database: "shop" }, "shop.*"],
  ["shop", "order?", "database", { database: "shop" }, "shop.order?"],
  ["shop", "orders,users", "database", { database: "shop" }, "shop.{orders,users}"],
  ["*", "*", "deployment", {}, "*.*"],
  ["shop*", "orders", "deployment", {}, "shop*.orders"],
  ["shop,store", "orders,users", "deployment", {}, "{shop,store}.{orders,users}"],
];

for (const [databases, collections, level, only, text] of LEVELS) {
  Deno.test(`Scope.level of ${text} is the ${level}`, () => {
    const { level: found, only: named } = scope(databases, collections);
    assert.deepEqual({ level: found, only: named }, { level, only });
    assert.equal(String(scope(databases, collections)), text);
    assert.equal(String(scope(databases, collections, "a.b,tmp_*")), `${text} without a.b,tmp_*`);
  });
}

for (const database of ["admin", "local", "config"]) {
  Deno.test(`Scope refuses ${database}, which has no change stream`, () =>
    assert.throws(() => scope(database, "*"), UsageError));
}

/** Databases, collections and what is left out; what is in, what is not. */
const INCLUDED: readonly (readonly [string, string, string, readonly string[], readonly string[]])[] = [
  ["shop", "orders", "", ["shop/orders"], ["shop/orders2", "shop/Orders", "shop2/orders", "shop/xorders"]],
  ["shop", "*", "", ["shop/orders", "shop/order.lines", "shop/a\nb"], ["shops/orders", "shop/system.views"]],
  ["*", "*", "", ["a/b", "testdrive/data"], ["admin/a", "local/a", "config/a", "a/system.profile"]],
  ["*", "data,order_*", "", ["a/data", "b/order_", "b/order_a.b"], ["a/data2", "a/xorder_"]],
  ["a?", "b?", "", ["ab/bc", "a./b.", "aé/bé", "ax/b😀"], ["a/b", "abc/bc", "ab/b"]],
  ["a+b", "c+d.e", "", ["a+b/c+d.e"], ["aab/c+d.e", "a+b/ccd.e", "a+b/c+dxe"]],
  ["a", "(x|y),[z],\\d,^$,{1}", "", ["a/(x|y)", "a/[z]", "a/\\d", "a/^$", "a/{1}"], ["a/x", "a/z", "a/1"]],
  ["*", "*", "tmp_*", ["a/b", "a/xtmp_", "tmp_a/orders"], ["a/tmp_", "b/tmp_1"]],
  ["*", "*", "shop.tmp_*", ["a/tmp_1", "shop/a"], ["shop/tmp_1"]],
  ["*", "*", "shop.*,data", ["a/b", "shopx/y"], ["shop/a", "shop/b", "a/data"]],
  ["a", "*", "fs.*", ["a/fs", "a/b"], ["a/fs.files", "a/fs.chunks"]],
  [
    "a",
    "*",
    "",
    ["a/patients", "a/enxcol_", "a/enxcol_.esc", "a/enxcol_.patients", "a/enxcol_.patients.notes", "a/x.esc"],
    [
      "a/enxcol_.patients.esc",
      "a/enxcol_.patients.ecc",
      "a/enxcol_.patients.ecoc",
      "a/enxcol_.patients.ecoc.compact",
      "a/enxcol_.in.parts\n.esc",
    ],
  ],
  ["a", "*", "system*", ["a/b"], ["a/system", "a/systems"]],
];

const parse = (text: string) => {
  const [database = "", collection = ""] = text.split("/");
  return namespace(database, collection);
};

/** Whether the server lets an event of a namespace pass: the stage, in JavaScript. */
function passes(
  stages: readonly Document[],
  field: "ns" | "to",
  { database, collection }: Namespace,
): boolean {
  const [stage] = stages;
  if (!stage) return true;
  const event: Readonly<Record<string, string>> = {
    operationType: "insert",
    [`${field}.db`]: database,
    [`${field}.coll`]: collection,
  };
  return stage.$match.$or.some((conditions: Document) =>
    Object.entries(conditions).every(([name, { $regex, $options, $in }]) => {
      const value = event[name];
      if (value === undefined) return false;
      return $in ? $in.includes(value) : new RegExp($regex, `${$options}u`).test(value);
    })
  );
}

type Namespace = ReturnType<typeof namespace>;

for (const [databases, collections, exclude, included, excluded] of INCLUDED) {
  const each = scope(databases, collections, exclude);
  Deno.test(`Scope.includes() of ${each}`, () => {
    for (const text of included) assert.equal(each.includes(parse(text)), true, text);
    for (const text of excluded) assert.equal(each.includes(parse(text)), false, text);
  });

  Deno.test(`Scope.stages() of ${each} lets pass what is included`, () => {
    for (const field of ["ns", "to"] as const) {
      for (const text of included) assert.equal(passes(each.stages(), field, parse(text)), true, text);
    }
  });

  if (exclude !== "" || each.level === "collection") continue;
  Deno.test(`Scope.stages() of ${each} keeps the rest back on the server`, () => {
    const own = /^(?:admin|local|config)\/|\/system\.|\/enxcol_/;
    for (const text of excluded.filter((text) => !own.test(text))) {
      for (const field of ["ns", "to"] as const) {
        assert.equal(passes(each.stages(), field, parse(text)), false, text);
      }
    }
  });
}

for (
  const [databases, collections, exclude, text] of [
    ["b,a", "d,c", "y,x", "{a,b}.{c,d} without x,y"],
    ["a,a", "c,c", "x,x", "a.c without x"],
  ] as const
) {
  Deno.test(`Scope has its lists as sets: ${text}`, () => {
    assert.equal(String(scope(databases, collections, exclude)), text);
    assert.equal(scope("a,a", "*").level, "database");
  });
}

Deno.test("Scope looks at each name that is left out by itself, however they are listed", () => {
  const each = scope("*", "*", "tmp,shop.b,a");
  assert.deepEqual(["a", "b", "tmp", "c"].map((collection) => each.includes(namespace("shop", collection))), [
    false,
    false,
    false,
    true,
  ]);
});

Deno.test("Scope.stages() lets events pass that are of no collection", () => {
  const [stage] = scope("shop", "orders,users").stages();
  const wholes = stage?.$match.$or.flatMap(({ operationType }: Document) => operationType?.$in ?? []);
  assert.deepEqual(wholes, ["dropDatabase", "invalidate"]);
});

Deno.test("Scope.stages() of one collection are none", () => {
  assert.deepEqual(scope("shop", "orders").stages(), []);
});

Deno.test("namespaceText()", () => assert.equal(namespaceText(namespace("a", "b.c")), "a.b.c"));

for (const collection of ["enxcol_.patients.esc", "system.views", "tmp.agg_out.1"]) {
  Deno.test(`Scope refuses ${collection}, which MongoDB has for itself`, () =>
    assert.throws(() => scope("shop", collection), {
      name: "UsageError",
      message: `Collection shop.${collection} is excluded.`,
    }));
}

Deno.test("Scope refuses what is no name of a database", () => {
  for (const name of ["shop.orders", "a/b", "$x", "a b"]) {
    assert.throws(() => scope(name, "*"), {
      name: "UsageError",
      message: `--database ${name} is not a valid database name.`,
    });
  }
});

Deno.test("Scope refuses to exclude its only collection", () => {
  assert.throws(() => scope("a", "b", "b"), (error) => {
    assert.ok(error instanceof UsageError);
    assert.match(error.message, /a\.b/);
    assert.match(error.hint ?? "", /--exclude/);
    return true;
  });
});
