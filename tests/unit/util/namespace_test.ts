import assert from "node:assert/strict";
import { byNamespace, type Namespace } from "../../../lib/util/namespace.ts";

const ORDERS: Namespace = { database: "shop", collection: "orders" };
const USERS: Namespace = { database: "shop", collection: "users" };

Deno.test("byNamespace() groups by name, whether or not items share the object, in the order of the items", () => {
  const namespaces = [ORDERS, ORDERS, USERS, { ...ORDERS }, USERS, ORDERS];
  const groups = byNamespace(namespaces.map((namespace, at) => ({ namespace, at })));
  assert.deepEqual(groups.map((group) => group.map(({ at }) => at)), [[0, 1, 3, 5], [2, 4]]);
});

Deno.test("byNamespace() of nothing", () => assert.deepEqual(byNamespace([]), []));
