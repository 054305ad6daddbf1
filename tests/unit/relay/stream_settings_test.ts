import assert from "node:assert/strict";
import type { RelaySettings } from "../../../lib/pipeline/settings.ts";
import { type Configured, StreamSettings } from "../../../lib/relay/stream_settings.ts";

const ORDERS = { database: "shop", collection: "orders" };
const USERS = { database: "shop", collection: "users" };

const configured = (filters: Readonly<Record<string, string>> = {}): Configured => ({
  settings: {} as RelaySettings,
  contentOf: ({ collection }) => filters[collection] ?? "",
});

Deno.test("StreamSettings.replace() aborts the signal of the settings before", () => {
  const [first, second] = [configured(), configured()];
  const settings = new StreamSettings(first);
  const { replaced } = settings;
  settings.replace(second);
  assert.ok(replaced.aborted);
  assert.equal(settings.current, second.settings);
  assert.equal(settings.replaced.aborted, false);
});

Deno.test("StreamSettings includes collections whose content changes, until snapshots are planned", () => {
  const settings = new StreamSettings(configured());
  settings.replace(configured({ orders: "a" }));
  settings.replace(configured({ orders: "a", users: "b" }));
  assert.deepEqual([ORDERS, USERS].map((each) => settings.includes(each)), [true, true]);
  settings.replace(configured({ users: "b" }));
  assert.deepEqual([ORDERS, USERS].map((each) => settings.includes(each)), [false, true]);
  settings.planned();
  assert.deepEqual([ORDERS, USERS].map((each) => settings.includes(each)), [false, false]);
});
