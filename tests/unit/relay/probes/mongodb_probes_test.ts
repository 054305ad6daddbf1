import assert from "node:assert/strict";
import type { Document } from "mongodb";
import { relayConfig } from "../../../../lib/config/relay_settings.ts";
import { MONGODB_PROBES } from "../../../../lib/relay/probes/mongodb_probes.ts";
import { askAll, type SourceSide } from "../../../../lib/relay/probes/probe.ts";
import { fakeClock } from "../../../support/fake_clock.ts";

const DAY_MS = 86_400_000;
const NOW = new Date("2026-11-30T12:00:00Z");

interface Given {
  readonly flags?: Readonly<Record<string, string>>;
  readonly privileges?: readonly Document[];
  /** The age of the oldest entry of the oplog. */
  readonly window?: number;
  readonly isFirst?: boolean;
  readonly listed?: readonly Document[];
}

/** MongoDB, as far as these probes ask. */
function sideOf(
  { flags = {}, privileges, window = 2 * DAY_MS, isFirst = false, listed = [] }: Given,
): SourceSide {
  const oldest = {
    ts: { t: (NOW.getTime() - window) / 1_000 },
    ...isFirst && { op: "n", o: { msg: "initiating set" } },
  };
  const answers = (command: Document) => {
    if (command.collStats) return { size: 480, maxSize: 990 };
    assert.ok(command.connectionStatus);
    const authInfo = {
      authenticatedUsers: privileges ? [{ user: "ann", db: "admin" }] : [],
      authenticatedUserPrivileges: privileges,
    };
    return { authInfo };
  };
  const client = {
    options: {},
    db: () => ({
      command: (command: Document) => Promise.resolve(answers(command)),
      collection: () => ({ findOne: () => Promise.resolve(oldest) }),
      listCollections: () => ({ toArray: () => Promise.resolve(listed) }),
    }),
  };
  const settings = relayConfig({ flags: { database: "shop", ...flags }, env: {} });
  const collections = [{ database: "shop", collection: "orders" }];
  const causalReader = { read: (work: (client: unknown, options: unknown) => unknown) => work(client, {}) };
  const side = { settings, clock: fakeClock(), causalReader, route: { client }, collections, skipped: [] };
  return { ...side, mongodbClock: { now: () => NOW.getTime() } } as unknown as SourceSide;
}

const ask = (name: string, given: Given) =>
  askAll(MONGODB_PROBES.filter((each) => each.name === name), sideOf(given));

const READ = ["find", "changeStream", "listCollections", "collStats"];
const on = (db: string, collection: string, actions = READ) => ({ resource: { db, collection }, actions });
const GRANT_SHOP = /grantRolesToUser\("ann", \[\{"role":"read","db":"shop"\}\]\)/;

const LACKING: Readonly<Record<string, readonly [Given, level: string, text: RegExp, hint: RegExp]>> = {
  "find": [
    { privileges: [on("shop", "", ["changeStream", "listCollections"]), on("local", "")] },
    "wrong",
    /^ann lacks find on shop$/,
    GRANT_SHOP,
  ],
  "changeStream": [
    { privileges: [on("shop", "", ["find", "listCollections"]), on("local", "")] },
    "wrong",
    /^ann lacks changeStream on shop$/,
    GRANT_SHOP,
  ],
  "listCollections": [
    { privileges: [on("shop", "", ["find", "changeStream"]), on("local", "")] },
    "warning",
    /^ann lacks listCollections on shop, so it is unknown whether/,
    GRANT_SHOP,
  ],
  "the oplog": [
    { privileges: [on("shop", "")] },
    "warning",
    /^ann lacks find on local\.oplog\.rs, so/,
    /\[\{"role":"read","db":"local"\}\]/,
  ],
  "all databases": [
    {
      flags: { database: "*" },
      privileges: [on("shop", ""), on("", "", ["find", "listCollections"]), on("local", "")],
    },
    "wrong",
    /^ann lacks changeStream on all databases$/,
    /\[\{"role":"readAnyDatabase","db":"admin"\}\]/,
  ],
};

for (const [what, [given, level, text, hint]] of Object.entries(LACKING)) {
  Deno.test(`the probe of privileges names what is missing for ${what}, and the command that grants it`, async () => {
    const findings = await ask("MongoDB privileges", given);
    assert.equal(findings.length, 1, JSON.stringify(findings));
    assert.equal(findings[0]?.level, level);
    assert.match(findings[0]?.text ?? "", text);
    assert.match(findings[0]?.hint ?? "", hint);
  });
}

Deno.test("the probe of privileges is content with a role of everything, and without a login", async () => {
  const everything = { resource: { anyResource: true }, actions: READ };
  for (const given of [{ privileges: [everything] }, {}]) {
    assert.deepEqual((await ask("MongoDB privileges", given)).map(({ level }) => level), ["ok"]);
  }
});

Deno.test("the probe of the oplog warns of a short one, with the size for a day", async () => {
  const [finding] = await ask("oplog", { window: DAY_MS / 24 });
  assert.equal(finding?.level, "warning");
  assert.match(finding?.text ?? "", /reaches back 60 min, and grows by 480\.0 MiB per hour/);
  assert.match(finding?.hint ?? "", /replSetResizeOplog: 1, size: 23760/);
  for (const given of [{ window: DAY_MS }, { window: 60_000, isFirst: true }]) {
    assert.deepEqual((await ask("oplog", given)).map(({ level }) => level), ["ok"]);
  }
});

Deno.test("the probe of post-images asks only if they are required", async () => {
  const listed = [{ name: "orders", options: {} }];
  assert.deepEqual(await ask("post-images", { listed }), []);
  const flags = { "full-document": "required" };
  const [finding] = await ask("post-images", { listed, flags });
  assert.deepEqual([finding?.level, finding?.collection], ["wrong", "shop.orders"]);
  assert.match(finding?.hint ?? "", /getSiblingDB\("shop"\).runCommand\(\{ collMod: "orders"/);
  const enabled = [{ name: "orders", options: { changeStreamPreAndPostImages: { enabled: true } } }];
  assert.deepEqual(await ask("post-images", { listed: enabled, flags }), []);
});
