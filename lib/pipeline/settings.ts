/** What a relay is told. */
import type { Document } from "mongodb";
import type { Worker } from "../key/worker.ts";
import type { Namespace } from "../util/namespace.ts";
import type { SinkAddress } from "../sink/connection/url.ts";
import type { TableName } from "../sink/sql/names.ts";
import type { ColumnMode } from "../sink/sql/dialect.ts";
import type { MemoryShares } from "../config/memory_shares.ts";
import type { FullDocument } from "../source/stream/open_stream.ts";
import type { Scope } from "../source/documents/scope.ts";

/** Settings that apply to one collection. */
export interface CollectionSettings {
  /** Pipeline stages applied to each document; empty for none. */
  readonly transform: readonly Document[];
  /** The key of a row. */
  readonly key: "_id" | "documentKey";
  /** Paths of fields to leave out, including those that a MongoDB projection cannot name. */
  readonly omit: readonly string[];
  readonly columns: ColumnMode;
  /** Shards of a created table; undefined for CrateDB's default. */
  readonly shards: number | undefined;
  readonly widen: "on" | "off";
  readonly widenRows: number;
  readonly onDrop: "keep" | "truncate" | "drop";
  readonly fullDocument: FullDocument;
}

/** Times are in milliseconds, sizes in bytes. */
export interface RelaySettings extends MemoryShares {
  /** Settings of one collection. */
  readonly for: (namespace: Namespace) => CollectionSettings;
  readonly mongodbUrl: string;
  readonly scope: Scope;
  /** The part of the documents that this relay takes; undefined for all. */
  readonly worker: Worker | undefined;
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
