import assert from "node:assert/strict";
import type { LOGGING } from "../../lib/cli/options/logging.ts";
import type { Values } from "../../lib/cli/options/option.ts";
import type { OPTIONS } from "../../lib/cli/options/options.ts";
import type { MONITORING } from "../../lib/cli/options/relay.ts";
import { relayFlags } from "../../lib/cli/options/relay_flags.ts";
import { relayConfig } from "../../lib/cli/config.ts";
import { type RelayOptions, startRelay, UsageError } from "../../lib/mod.ts";

type IsSame<One, Other> = [One, Other] extends [Other, One] ? true : false;

/** What an embedding program may set is what `cdc-relay` may be told, but for where it listens and how it logs. */
type Told =
  | Exclude<keyof Values<typeof OPTIONS["cdc-relay"]>, keyof Values<typeof MONITORING | typeof LOGGING>>
  | "cratedbJwtFile";
const { signal } = new AbortController();

Deno.test("relayFlags() writes options as the command line has them", () => {
  const options: RelayOptions = {
    cratedbUrl: "crate://localhost:4200",
    database: ["a", "b"],
    filter: { n: { $gt: 1 } },
    omit: "secret",
    snapshotLanes: 2,
    maxMemory: "128MiB",
    lease: 5_000,
  };
  const flags = relayFlags(options);
  assert.deepEqual([flags.database, flags.omit, flags["snapshot-lanes"]], ["a,b", "secret", "2"]);
  const { scope, omit, snapshotLanes, lease, transform } = relayConfig({ flags, env: {} });
  assert.deepEqual([`${scope}`, omit, snapshotLanes, lease], ["{a,b}.*", ["secret"], 2, 5_000]);
  assert.ok(transform.length > 0);
});

Deno.test("startRelay() says which option is wrong", async () => {
  await assert.rejects(startRelay({ nonsense: 1 } as RelayOptions, { signal }), (error) => {
    assert.ok(error instanceof UsageError);
    assert.match(error.message, /There is no option nonsense/);
    return true;
  });
  await assert.rejects(
    startRelay({ snapshotLanes: 0 }, { signal }),
    /--snapshot-lanes is not a whole number/,
  );
});

Deno.test("an embedding program may set all that cdc-relay may be told", () => {
  const isComplete: IsSame<Told, keyof RelayOptions> = true;
  assert.ok(isComplete);
});
