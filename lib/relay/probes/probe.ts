/** A probe asks the databases one thing, and changes nothing. */
import type { Names, RelaySettings } from "../../pipeline/settings.ts";
import { type Answer, failed, type Finding } from "../../pipeline/status/finding.ts";
import { isSinkError } from "../../sink/connection/sink_error.ts";
import type { Transport } from "../../sink/connection/transport.ts";
import { tableFor, type TableName } from "../../sink/sql/names.ts";
import type { CausalReader } from "../../source/connection/causal_reader.ts";
import type { ServerClock } from "../../source/connection/cluster_time.ts";
import type { Route } from "../../source/connection/route.ts";
import type { Sizes } from "../../source/documents/sample.ts";
import type { FoundCollection } from "../../source/documents/scope.ts";
import type { Clock } from "../../util/clock.ts";
import type { Namespace } from "../../util/namespace.ts";
import type { Content } from "../stream_settings.ts";

export interface SourceSide {
  readonly settings: RelaySettings;
  readonly clock: Clock;
  readonly causalReader: CausalReader;
  readonly route: Route;
  readonly mongodbClock: Pick<ServerClock, "now">;
  /** Those in the scope that can be followed. */
  readonly collections: readonly FoundCollection[];
  readonly sizes: Pick<Sizes, "ahead">;
  /** Those in the scope that cannot, and why. */
  readonly skipped: readonly string[];
}

export interface SinkSide {
  readonly settings: RelaySettings;
  readonly clock: Clock;
  readonly transport: Transport;
  readonly names: Names;
}

export interface BothSides extends SourceSide, SinkSide {
  /** The settings as a relay saves them. @default {they are not compared} */
  readonly content?: Content;
}

export interface Probe<Side> {
  readonly name: string;
  /** Whether each start of a relay asks. It does not if its next step meets the same fault, with the same text. */
  readonly isOfStart?: true;
  readonly ask: (side: Side) => Promise<readonly Answer[]>;
}

/** Asks all probes: the first one alone, because it measures time, then the others at once. */
export async function askAll<Side>(
  [first, ...others]: readonly Probe<Side>[],
  side: Side,
): Promise<readonly Finding[]> {
  const ask = async ({ name, ask }: Probe<Side>) =>
    (await ask(side).catch((error) => [failed(error)])).map((answer) => ({ probe: name, ...answer }));
  const timed = first ? await ask(first) : [];
  return [timed, ...await Promise.all(others.map(ask))].flat();
}

/** The rows of a query; undefined if the user may not read the table. */
export const rowsIfAllowed = ({ query }: Pick<Transport, "query">, sql: string) =>
  query(sql).then(({ rows }) => rows, (error) => {
    if (!isSinkError(error, "privilege", "unknown relation", "unknown schema")) throw error;
  });

export const tableOf = (namespace: Namespace, { names, transport }: SinkSide): TableName =>
  tableFor(names.tableOf(namespace), namespace, transport.dialect);
