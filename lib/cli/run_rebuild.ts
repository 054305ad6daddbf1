/** Runs `rebuild`, and prints what was written. */
import { logListener } from "../monitor/log_listener.ts";
import type { RelaySettings } from "../pipeline/settings.ts";
import { rebuild, rebuiltText } from "../status/rebuild.ts";
import { SYSTEM_CLOCK } from "../util/clock.ts";
import { UsageError } from "../util/errors.ts";
import { type Namespace, namespaceText } from "../util/namespace.ts";
import type { CommandContext } from "./command.ts";

export async function runRebuild(
  relay: RelaySettings,
  collection: Namespace,
  { signal, log, print }: Pick<CommandContext, "signal" | "log" | "print">,
): Promise<void> {
  const context = { signal, log, clock: SYSTEM_CLOCK, emit: logListener(log) };
  print(rebuiltText(await rebuild({ relay, collection }, context)));
}

/** The stream that follows the collection. @throws UsageError if none does, or several do */
export function streamOf<Stream extends Pick<RelaySettings, "scope">>(
  streams: readonly Stream[],
  collection: Namespace,
): Stream {
  const [found, ...others] = streams.filter(({ scope }) => scope.includes(collection));
  if (found && others.length === 0) return found;
  const how = found ? "Several streams follow" : "No stream follows";
  const scopes = streams.map(({ scope }) => `${scope}`).join(", ");
  throw new UsageError(`${how} ${namespaceText(collection)}: ${scopes}`, {
    hint: "Give the options of its relay: --config relay.yaml with --stream, or --database and --collection.",
  });
}
