/**
 * Repairs rows where no relay runs: takes the lease of the stream, or those of all its parts, writes as the relay does,
 * and gives them back.
 */
import type { Namespace } from "../util/namespace.ts";
import { repairRows } from "../pipeline/collections/repair.ts";
import type { Names, RelaySettings } from "../pipeline/settings.ts";
import { TableRegistry } from "../pipeline/collections/table_registry.ts";
import {
  type CountingTransport,
  fenced,
  retrying,
  type RetryingOptions,
} from "../sink/connection/wrappers.ts";
import type { RowKey } from "../key/row_key.ts";
import { StreamPosition } from "../sink/metadata/stream_position.ts";
import type { CausalReader } from "../source/connection/causal_reader.ts";
import type { DocumentReader } from "../source/documents/documents.ts";
import { OwnKeys } from "../source/documents/own_keys.ts";
import { shardKeyOf } from "../source/documents/shard_key.ts";
import type { Clock } from "../util/clock.ts";
import type { Logger } from "../util/log.ts";

export interface OwnRepairDeps {
  readonly names: Names;
  /** The stream's parts; itself where it is not divided. */
  readonly streams: readonly string[];
  readonly settings: RelaySettings;
  readonly raw: CountingTransport;
  readonly retries: RetryingOptions;
  readonly causalReader: CausalReader;
  readonly reader: DocumentReader;
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly clock: Clock;
}

/** @throws LeaseHeldError where a relay holds the lease */
export async function repairUnderLease(
  namespace: Namespace,
  keys: readonly RowKey[],
  deps: OwnRepairDeps,
): Promise<void> {
  const { names, streams, settings, raw, retries, causalReader, reader, signal, log, clock } = deps;
  const failed = new AbortController();
  await using leases = new AsyncDisposableStack();
  const positions: StreamPosition[] = [];
  for (const stream of streams) {
    const position = leases.use(
      await StreamPosition.acquire(retrying(raw, retries), {
        schema: names.metadataSchema,
        stream,
        lease: settings.lease,
        signal,
        log,
        clock,
        isFree: () => !raw.writing,
      }),
    );
    leases.use(position.keep((error) => failed.abort(error)));
    positions.push(position);
  }
  const check = async () => void await Promise.all(positions.map((each) => each.check()));
  const patient = retrying(fenced(raw, check), retries);
  const tables = new TableRegistry({ patient, raw }, {
    names,
    settings,
    causalReader,
    ownKeys: new OwnKeys(causalReader, undefined),
    shardKeyOf: async () => settings.key === "documentKey" ? await shardKeyOf(causalReader, namespace) : [],
    signal: AbortSignal.any([signal, failed.signal]),
    emit: () => {},
    log,
    clock,
  });
  await repairRows(namespace, keys, { reader, tables });
  await tables.refresh();
}
