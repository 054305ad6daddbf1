import assert from "node:assert/strict";
import { eventually } from "../../dev/servers/eventually.ts";
import { openMonitor } from "../../lib/monitor/monitor.ts";
import { PAGE } from "../../lib/monitor/page/page.ts";
import type { Control } from "../../lib/monitor/control_route.ts";
import { QUIET } from "../../lib/util/log.ts";
import { hasBrowser, openPage } from "../support/browser.ts";
import { cratedbTest } from "../support/cratedb_harness.ts";
import { statusOf } from "../support/status_of.ts";

const pageTest = (name: string, fn: () => Promise<void>) => Deno.test({ name, ignore: !hasBrowser, fn });

const TOKEN = "0123456789abcdef";
const HOSTILE = `shop.<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>`;
const REVERSED = "shop.\u202egnp.exe";

function open(control?: Control) {
  return openMonitor({
    listen: { host: "127.0.0.1", port: 0 },
    maxLag: () => 60_000,
    streams: [{ name: "", status: { current: statusOf({ lag: 25 }) } }],
    versions: { version: "1", runtime: "2" },
    settings: () => [{ title: "Stream", effective: [{ name: "filter", text: HOSTILE, origin: "--filter" }] }],
    log: QUIET,
    control,
  });
}

const failed = (name: string) => ({
  type: "collectionChanged" as const,
  namespace: { database: "shop", collection: name.slice("shop.".length) },
  table: '"shop"."t"',
  state: { name: "failed" as const, reason: HOSTILE, hint: HOSTILE },
  since: 0,
});

Deno.test("the page has at most 60 kB", () => {
  assert.ok(new TextEncoder().encode(PAGE.body).length <= 60_000);
  assert.match(
    PAGE.headers?.["Content-Security-Policy"] ?? "",
    /^default-src 'none'; script-src 'sha256-[^']+'; style-src 'sha256-/,
  );
});

pageTest("the page shows hostile names as text, and asks no other host", async () => {
  await using monitor = await open();
  monitor.listen({ type: "leaseTaken", schema: "doc", stream: HOSTILE, owner: null });
  for (const name of [HOSTILE, REVERSED]) monitor.listen(failed(name));
  await using opened = await openPage(monitor.url);
  const { page, text, errors, asked } = opened;
  await page.waitForSelector(".stream");
  assert.ok((await text(".title h2")).includes("<img src=x"));
  assert.ok((await text(".warnings")).includes("<script>"));
  assert.ok((await text("main")).includes("shop.\\u202egnp.exe"));
  await page.click("summary");
  await page.waitForSelector("#values td");
  assert.ok((await text("#values")).includes("<img src=x"));
  assert.deepEqual(await page.$$("main img, main script, #values img"), []);
  assert.equal(await page.title(), "failed collections – cdc-relay");
  assert.deepEqual(errors, []);
  assert.deepEqual([
    ...new Set(
      asked.map((url) => new URL(url)).filter(({ protocol }) => protocol !== "data:").map(({ origin }) =>
        origin
      ),
    ),
  ], [
    monitor.url,
  ]);
});

pageTest("the page has no buttons without a token", async () => {
  await using monitor = await open();
  monitor.listen({ type: "leaseTaken", schema: "doc", stream: "shop.* -> t", owner: null });
  await using opened = await openPage(monitor.url);
  await opened.page.waitForSelector(".sentence");
  assert.deepEqual(await opened.page.$$("button"), []);
});

pageTest(
  "the page asks for the token, is refused with a wrong one, and steers with the right one",
  async () => {
    const asked: unknown[] = [];
    await using monitor = await open({
      token: () => TOKEN,
      ask: ({ verb, arguments: given }) => {
        asked.push([verb, given]);
        return Promise.resolve("id-1");
      },
    });
    monitor.listen({ type: "leaseTaken", schema: "doc", stream: "shop.* -> t", owner: null });
    await using opened = await openPage(monitor.url);
    const { page, text } = opened;
    // With keys alone.
    const button = await page.waitForSelector('[data-verb="pause"]');
    await button?.focus();
    await page.keyboard.press("Enter");
    await page.type("[name=reason]", "night");
    await page.type("[name=token]", "wrong");
    await page.keyboard.press("Enter");
    await page.waitForFunction(
      'document.querySelector(".said").innerText.includes("The token is missing or wrong")',
    );
    assert.deepEqual(asked, []);
    await page.$eval("[name=token]", (input) => (input as unknown as { value: string }).value = "");
    await page.type("[name=token]", TOKEN);
    await page.keyboard.press("Enter");
    await page.waitForFunction('document.querySelector(".said").innerText.startsWith("Asked")');
    assert.deepEqual(asked, [["pause", { reason: "night" }]]);
    await page.keyboard.press("Escape");
    // The token is in memory: it is not asked for again, and stored nowhere.
    await page.click('[data-verb="reload"]');
    assert.deepEqual(await page.$$("[name=token]"), []);
    await page.click("dialog button.main");
    await page.waitForFunction('document.querySelector(".said").innerText.startsWith("Asked")');
    assert.deepEqual(asked.at(-1), ["reload", {}]);
    assert.equal(
      await page.evaluate("localStorage.length + sessionStorage.length + document.cookie.length"),
      0,
    );
    assert.equal(await text("#live").then((live) => live.startsWith("Live")), true);
  },
);

pageTest("the page fits from 360 to 1,600 pixels, and says when its figures are old", async () => {
  const monitor = await open();
  await using closing = new AsyncDisposableStack();
  closing.use(monitor);
  monitor.listen({
    type: "leaseTaken",
    schema: "doc",
    stream: `shop.${"long".repeat(60)} -> t`,
    owner: null,
  });
  monitor.listen(failed(`shop.${"long".repeat(60)}`));
  await using opened = await openPage(monitor.url, { width: 360, scheme: "dark" });
  const { page, text } = opened;
  await page.waitForSelector(".sentence");
  for (const width of [360, 800, 1_600]) {
    await page.setViewport({ width, height: 900 });
    assert.equal(await page.evaluate("document.documentElement.scrollWidth"), width);
  }
  await closing.disposeAsync();
  await page.waitForSelector("#live.lost");
  assert.match(await text("#live"), /^No answer from the relay since \d\d:\d\d:\d\d: these figures are old/);
});

if (hasBrowser) {
  cratedbTest(
    "the page shows a relay under load: its numbers change, and what verify has proven",
    async (context) => {
      const { mongodb, database, relay } = context;
      const data = mongodb.db(database).collection<{ n: number }>("data");
      await data.insertMany(Array.from({ length: 20 }, (_, n) => ({ n })));
      const running = relay(["--listen", "127.0.0.1:0"]);
      const base = /http:\S+/.exec(await running.waitForLine(/Metrics and health/))?.[0] ?? "";
      await running.waitForLine(/Ready/);
      await using opened = await openPage(base);
      const shows = (text: string) =>
        eventually(async () =>
          assert.ok((await opened.text("main")).includes(text), await opened.text("main"))
        );
      await shows("Following");
      await data.insertMany(Array.from({ length: 1_234 }, (_, n) => ({ n })));
      await shows("1,254"); // Rows written, with those of the snapshot.
      await context.verify();
      await shows("Equal to MongoDB up to");
      await shows("its one collection, every document compared");
      assert.deepEqual(opened.errors, []);
    },
  );
}
