/** What a relay is told. */
import type { Document } from "mongodb";
import type { Partition } from "../key/partition.ts";
import type { Namespace } from "../namespace.ts";
import type { SinkAddress } from "../sink/connection/url.ts";
import type { TableName } from "../sink/table/sql_names.ts";
import type { ColumnMode } from "../sink/table/column_mode.ts";
import type { MemoryShares } from "./memory_shares.ts";
import type { FullDocument } from "../source/open_stream.ts";
import type { Scope } from "../source/scope.ts";

/** Times are in milliseconds, sizes in bytes. */
export interface RelaySettings extends MemoryShares {
  readonly mongodbUrl: string;
  readonly scope: Scope;
  /** The part of the documents that this relay takes; undefined for all. */
  readonly partition: Partition | undefined;
  /** Stages that documents go through; empty where they are taken as they are. */
  readonly transform: readonly Document[];
  /** What names a row. */
  readonly key: "_id" | "documentKey";
  /** Paths of fields that are left out, also where MongoDB cannot name them. */
  readonly omit: readonly string[];
  readonly sink: SinkAddress;
  /** Names of tables, where those that name no schema are in this one. */
  readonly namesIn: (schema: string) => Names;
  readonly columns: ColumnMode;
  /** Of the tables that are made; undefined for as many as CrateDB makes by itself. */
  readonly shards: number | undefined;
  readonly widen: "on" | "off";
  readonly widenRows: number;
  readonly onDrop: "keep" | "truncate" | "drop";
  readonly snapshot: "initial" | "never" | "always" | "only";
  /** Ranges of keys that a snapshot reads at once. */
  readonly snapshotLanes: number;
  /** Documents a second that a snapshot reads at most; 0 for no limit. */
  readonly snapshotRate: number;
  readonly onHistoryLost: "recopy" | "fail";
  readonly fullDocument: FullDocument;
  readonly batchSize: number;
  readonly statementRows: number;
  readonly inFlight: number;
  readonly refreshInterval: number;
  readonly saveInterval: number;
  /** Dead letters without a written row between them, after which the relay stops. */
  readonly maxDeadLetters: number;
  readonly lease: number;
  /** What to do while another relay that is alive follows the stream. */
  readonly onHeld: "fail" | "wait";
  readonly retryFor: number;
}

export interface Names {
  /** The table of a collection, with `{database}` and `{collection}` in it. */
  readonly tableOf: (namespace: Namespace) => TableName;
  /** What names the relay's stream. */
  readonly stream: string;
  /** Where the relay's own tables are. */
  readonly metadataSchema: string;
}
