/** A `relay.yaml` of a test: JSON, which is YAML too. */
import { join } from "node:path";
import type { CratedbContext } from "./cratedb_harness.ts";
import { type Outcome, run, type Running, start } from "./program.ts";

type Streams = Readonly<Record<string, object>>;

export interface RelayYaml extends AsyncDisposable {
  write(streams: Streams, process?: object): Promise<void>;
  /** Starts `cdc-relay` with the file. Killed when this is disposed of. */
  relay(...args: readonly string[]): Running;
  /** Runs another command with the file. */
  run(...args: readonly string[]): Promise<Outcome>;
}

/** Writes a file with streams of one MongoDB and one CrateDB, and tables of one shard. */
export async function relayYaml(
  { mongodbUrl, httpUrl, ownProcess }:
    & Pick<CratedbContext, "mongodbUrl" | "httpUrl">
    & Partial<Pick<CratedbContext, "ownProcess">>,
  streams: Streams,
  process: object = {},
): Promise<RelayYaml> {
  await using opened = new AsyncDisposableStack();
  const folder = opened.adopt(await Deno.makeTempDir(), (path) => Deno.remove(path, { recursive: true }));
  const path = join(folder, "relay.yaml");
  const fixed = { version: 1, mongodb: { url: mongodbUrl }, cratedb: { url: httpUrl } };
  const write: RelayYaml["write"] = (streams, process = {}) =>
    Deno.writeTextFile(path, JSON.stringify({ ...fixed, ...process, defaults: { shards: 1 }, streams }));
  await write(streams, process);
  const closing = opened.move();
  return {
    write,
    relay: (...args) => closing.use(start(["cdc-relay", "--config", path, ...args], { ownProcess })),
    run: (command = "", ...args) => run([...command.split(" "), "--config", path, ...args]),
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  };
}
