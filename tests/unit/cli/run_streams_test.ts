/** What a process does with a file that it reads again. */
import assert from "node:assert/strict";
import { reloaded } from "../../../lib/cli/run_streams.ts";
import { readRelayFile } from "../../../lib/config/relay_file.ts";
import { contentOf } from "../../../lib/config/effective.ts";
import { StreamSettings } from "../../../lib/relay/stream_settings.ts";
import { createLogger } from "../../../lib/util/log.ts";

/** Reads `after` in place of a file with the streams shop and bank. */
function reload(after: string, process = "") {
  const read = (shop: string, process = "") =>
    readRelayFile(
      `version: 1\n${process}\nstreams:\n  shop: { database: shop, ${shop} }\n  bank: { database: bank }`,
      { path: "relay.yaml", env: {} },
    );
  const before = read("saveInterval: 1s");
  const streams = before.streams.map((stream) => ({
    name: stream.name,
    settings: new StreamSettings({ settings: stream.settings, content: contentOf(stream) }),
  }));
  const signals = streams.map(({ settings }) => settings.replaced);
  const lines: Record<string, unknown>[] = [];
  const log = createLogger({ format: "json", level: "info", write: (line) => lines.push(JSON.parse(line)) });
  const { file, refusals } = reloaded(before, () => read(after, process), { streams, log });
  return {
    refusals,
    file: file === before ? undefined : file,
    lines,
    streams,
    replaced: signals.map(({ aborted }) => aborted),
  };
}

Deno.test("reloaded() has a stream use the new content of a secret's file at its next start", async () => {
  const path = await Deno.makeTempFile();
  await Deno.writeTextFile(path, "mongodb://me:wrong@db/");
  const shop = `mongodb: { url: { file: ${path} } }, saveInterval: 1s`;
  const read = () =>
    readRelayFile(`version: 1\nstreams: { shop: { database: shop, ${shop} } }`, {
      path: "relay.yaml",
      env: {},
    });
  const before = read();
  const [stream] = before.streams;
  const settings = new StreamSettings({ settings: stream.settings, content: contentOf(stream) });
  const { replaced } = settings;
  await Deno.writeTextFile(path, "mongodb://me:right@db/");
  const log = createLogger({ format: "json", level: "info", write: () => {} });
  reloaded(before, read, { streams: [{ name: "shop", settings }], log });
  await Deno.remove(path);
  assert.equal(settings.current.settings.mongodbUrl, "mongodb://me:right@db/");
  assert.equal(replaced.aborted, false);
});

Deno.test("reloaded() replaces the settings of the streams that have others, and logs the effect", () => {
  const { file, refusals, lines, streams, replaced } = reload("saveInterval: 2s");
  assert.ok(file);
  assert.deepEqual(refusals, []);
  assert.deepEqual(replaced, [true, false]);
  assert.equal(streams[0]?.settings.current.settings.saveInterval, 2_000);
  const [, { stream, setting, before, after, effect } = {}] = lines;
  assert.deepEqual([stream, setting, before, after, effect], ["shop", "saveInterval", "1s", "2s", "at once"]);
});

Deno.test("reloaded() has the streams share the memory of one", () => {
  const { file, streams: [shop] } = reload("saveInterval: 2s");
  const alone = file?.streams[0]?.settings;
  assert.ok(alone && shop);
  assert.deepEqual([alone.replyBytes / 2, alone.batchBytes / 2], [
    shop.settings.current.settings.replyBytes,
    shop.settings.current.settings.batchBytes,
  ]);
});

Deno.test("reloaded() disturbs no stream for a setting of the process", () => {
  const { file, replaced } = reload("saveInterval: 1s", "logLevel: debug");
  assert.deepEqual([file?.process.logLevel, replaced], ["debug", [false, false]]);
});

Deno.test("reloaded() changes nothing if a setting needs a restart, and says which", () => {
  const { file, refusals, lines, replaced } = reload("saveInterval: 2s, lease: 20s");
  assert.equal(file, undefined);
  assert.equal(refusals.length, 1);
  assert.match(
    refusals[0] ?? "",
    /: this setting needs a restart: shop: lease: 10s → 20s\. Restart cdc-relay: it /,
  );
  assert.deepEqual(replaced, [false, false]);
  assert.deepEqual(lines.map(({ level, setting }) => [level, setting]), [["error", "lease"]]);
  assert.match(String(lines[0]?.hint), /Restart cdc-relay/);
});

Deno.test("reloaded() changes nothing if the file has errors, and has them in the log", () => {
  const { file, refusals, lines, replaced } = reload("saveInterval: 2s, onDrp: keep");
  assert.equal(file, undefined);
  assert.equal(refusals.length, 1);
  assert.match(refusals[0] ?? "", /^The file was not reloaded.*: relay\.yaml:4:\d+: Unknown key: onDrp/);
  assert.deepEqual(replaced, [false, false]);
  assert.match(String(lines[0]?.error), /relay\.yaml:4:\d+: Unknown key: onDrp/);
});
