import { ReadPreference } from "mongodb";
import type { Logger } from "../../util/log.ts";
import { CausalReader, type CausalReaderOptions } from "./causal_reader.ts";
import type { Deployment } from "./deployment.ts";

/**
 * Reads whole collections: like `reader`, or from a secondary and never older than what `reader` has read.
 * @example IN: a reader, {preference: "primary", …} → OUT: the same reader
 */
export async function openBulkReader(
  reader: CausalReader,
  { deployment, preference, log, closing, ...options }: CausalReaderOptions & {
    readonly deployment: Pick<Deployment, "secondaryRoute">;
    readonly preference: "primary" | "secondary";
    readonly log: Logger;
    /** Closes what is opened. */
    readonly closing: AsyncDisposableStack;
  },
): Promise<CausalReader> {
  if (preference === "primary") return reader;
  const onConnect = (server: string) => log.info("Reading whole collections from one member", { server });
  const route = closing.use(await options.shutdown.limit(deployment.secondaryRoute(onConnect)));
  const readPreference = ReadPreference.secondaryPreferred;
  return closing.use(new CausalReader(route, { ...options, readPreference, beside: reader }));
}
