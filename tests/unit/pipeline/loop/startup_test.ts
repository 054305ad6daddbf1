import assert from "node:assert/strict";
import { MongoServerError } from "mongodb";
import { checkOrigin, startUp, type StartupDeps } from "../../../../lib/pipeline/loop/startup.ts";
import {
  parseSnapshotState,
  planSnapshot,
  requeueAll,
  stateOf,
} from "../../../../lib/pipeline/snapshot/snapshot_state.ts";
import { Scope } from "../../../../lib/source/documents/scope.ts";
import { QUIET } from "../../../../lib/util/log.ts";
import { usableTables } from "../../../support/usable_tables.ts";
import { OtherDeploymentError } from "../../../../lib/source/connection/mongodb_errors.ts";
import { identityOf } from "../../../../lib/source/documents/source_identity.ts";
import { UsageError, UserError } from "../../../../lib/util/errors.ts";

const A = { database: "shop", collection: "a" };

const client = {
  db: () => ({
    listCollections: () => ({ toArray: () => Promise.resolve([{ name: A.collection }]) }),
    command: () => Promise.resolve({}),
  }),
};

const causalReader = {
  read: (work: (client: unknown, options: object) => unknown) => Promise.resolve(work(client, {})),
};

Deno.test("startUp() reports a filter that MongoDB refuses as wrong usage, with the options", async () => {
  const refusal = new MongoServerError({ code: 2, codeName: "BadValue", message: "unknown operator: $nope" });
  const deps = {
    causalReader,
    reader: { check: () => Promise.reject(refusal) },
    position: { state: { token: null, origin: null } },
    settings: {
      scope: new Scope({ databases: ["shop"], collections: ["*"], exclude: [] }),
      for: () => ({ transform: [{ $match: { n: { $nope: 1 } } }], onDrop: "keep" }),
    },
    log: QUIET,
  };
  await assert.rejects(startUp(null, deps as unknown as StartupDeps), (error) => {
    assert.ok(error instanceof UsageError);
    assert.match(error.message, /--filter.*: unknown operator: \$nope/);
    assert.equal(error.cause, refusal);
    return true;
  });
});

Deno.test("startUp() saves that a skipped collection keeps the rows of a dropped one", async () => {
  const tables = usableTables();
  const saved: { snapshot?: string | null }[] = [];
  const deps = {
    causalReader,
    tables: {
      ...tables,
      missing: () => Promise.resolve([]),
      overlaps: () => Promise.resolve([]),
      openAll: () => {
        tables.skip(A);
        return Promise.resolve([]);
      },
    },
    position: {
      state: { token: "token", origin: null },
      save: (values: { snapshot?: string | null }) => Promise.resolve(void saved.push(values)),
    },
    settings: {
      scope: new Scope({ databases: ["shop"], collections: ["*"], exclude: [] }),
      for: () => ({ transform: [], onDrop: "keep" }),
    },
    log: QUIET,
  };
  const before = stateOf(requeueAll(planSnapshot(null, []), [{ ...A, keepsStale: true }]));
  await startUp(before, deps as unknown as StartupDeps);
  const [{ snapshot = null } = {}] = saved;
  assert.ok(snapshot);
  assert.deepEqual(parseSnapshotState(snapshot).requeued, [{ ...A, keepsStale: true, skipped: true }]);
});

const ORDERS = { database: "shop", collection: "orders", uuid: "01" };
const STREAM = "shop.* -> shop.{collection}";

/** Compares the replica set `saved`, that was followed, with the one that answers. */
const check = (saved: string | null, deployment: string, snapshot: "initial" | "never" | "always" | "only") =>
  checkOrigin({ collections: [ORDERS], deployment }, {
    position: { stream: STREAM, state: { origin: saved === null ? null : identityOf([ORDERS], saved) } },
    settings: { snapshot },
  });

Deno.test("checkOrigin() accepts the deployment that was followed, and any at the first start", () => {
  check("one", "one", "initial");
  check(null, "one", "initial");
});

for (const snapshot of ["initial", "never", "only"] as const) {
  Deno.test(`checkOrigin() refuses another deployment with --snapshot ${snapshot}, with a hint`, () =>
    assert.throws(() => check("one", "other", snapshot), (error) => {
      assert.ok(error instanceof UserError);
      assert.match(
        error.message,
        /another deployment than the one that shop\.\* -> .* id other, not one/,
      );
      assert.match(error.hint ?? "", /MONGODB_URL.*--snapshot always.*forget --stream 'shop\.\* -> /s);
      return true;
    }));
}

Deno.test("checkOrigin() has a snapshot replace the rows with --snapshot always", () =>
  assert.throws(() => check("one", "other", "always"), OtherDeploymentError));
