/** Settings of a relay: of the process, of a stream, and of each collection. */
import type { BSON, Document } from "mongodb";
import type { StreamPart } from "../key/stream_name.ts";
import type { Retention } from "../mapping/partition.ts";
import type { SinkAddress } from "../sink/connection/url.ts";
import type { TableName } from "../sink/sql/names.ts";
import type { CdcSettings } from "../sink/table/cdc_column.ts";
import type { TableDesign } from "../sink/table/table_design.ts";
import type { Scope } from "../source/documents/scope.ts";
import type { FullDocument } from "../source/stream/open_stream.ts";
import type { Namespace } from "../util/namespace.ts";

export interface CollectionSettings extends Omit<TableDesign, keyof CdcSettings>, Required<CdcSettings> {
  /** Pipeline stages applied to each document; empty for none. */
  readonly transform: readonly Document[];
  readonly key: "_id" | "documentKey";
  /** Paths of fields to omit, including those that a MongoDB projection cannot name. */
  readonly omit: readonly string[];
  /** Older partitions are dropped. Only with a time. */
  readonly keep?: Retention | undefined;
  readonly widen: "on" | "off";
  /** Rows up to which a table is rebuilt to widen a column. */
  readonly widenRows: number;
  readonly onDrop: "keep" | "truncate" | "drop";
  readonly fullDocument: FullDocument;
}

/** Shares of the memory for data in transit, in bytes. Data exists as BSON, as JSON, as a statement and as its bytes. */
export interface MemoryShares {
  /** A reply of MongoDB. A larger document is read alone. */
  readonly replyBytes: number;
  /** Events of one batch. The next batch fills while one is written. */
  readonly batchBytes: number;
  /** JSON of one statement. A larger row is sent alone. */
  readonly statementBytes: number;
  /** JSON of all statements that are not yet answered. */
  readonly inFlightBytes: number;
  /** The heap size above which garbage is collected. */
  readonly heapBytes: number;
}

/** Settings of one stream. Times are in milliseconds, sizes in bytes. */
export interface RelaySettings extends MemoryShares {
  readonly mongodbUrl: string;
  readonly sink: SinkAddress;
  readonly for: (namespace: Namespace) => CollectionSettings;
  readonly scope: Scope;
  /** Collections that could exist: one for each name and pattern with settings of its own. @default {none} */
  readonly examples?: readonly Namespace[];
  /** The part of the documents that this relay replicates; undefined for all. */
  readonly worker: StreamPart | undefined;
  /** Names of tables; those that name no schema are in this one. */
  readonly namesIn: (schema: string) => Names;
  readonly snapshot: "initial" | "never" | "always" | "only";
  /** Where a stream without a position starts, with `never`; undefined for now. */
  readonly startAt: "now" | BSON.Timestamp | undefined;
  /** Key ranges that a snapshot reads at the same time. */
  readonly snapshotLanes: number;
  /** Documents that a snapshot reads per second at most; 0 for no limit. */
  readonly snapshotRate: number;
  readonly snapshotOrder: "key" | "natural";
  /** What copies, samples and comparisons are read from. */
  readonly snapshotReadPreference: "primary" | "secondary";
  readonly onHistoryLost: "recopy" | "fail";
  readonly batchSize: number;
  readonly statementRows: number;
  readonly inFlight: number;
  readonly refreshInterval: number;
  readonly saveInterval: number;
  /** Dead letters in succession, without a written row between them, after which the relay stops. */
  readonly maxDeadLetters: number;
  readonly lease: number;
  /** What to do while another relay holds the stream. */
  readonly onHeld: "fail" | "wait";
  readonly retryFor: number;
}

export interface Names {
  readonly tableOf: (namespace: Namespace) => TableName;
  readonly stream: string;
  /** Of the relay's own tables. */
  readonly metadataSchema: string;
}
