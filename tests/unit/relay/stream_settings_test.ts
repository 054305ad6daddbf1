import assert from "node:assert/strict";
import type { RelaySettings } from "../../../lib/pipeline/settings.ts";
import { StreamSettings } from "../../../lib/relay/stream_settings.ts";

Deno.test("StreamSettings.replace() aborts the signal of the settings before, and of no others", () => {
  const [first, second] = [{ settings: {} as RelaySettings }, { settings: {} as RelaySettings }];
  const settings = new StreamSettings(first);
  const { replaced } = settings;
  settings.replace(second);
  assert.ok(replaced.aborted);
  assert.equal(settings.current, second);
  assert.equal(settings.replaced.aborted, false);
});
