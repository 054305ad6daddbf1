/** The dashboard over CrateDB alone, through Grafana's PostgreSQL data source: how all streams are now. */
import type { Dashboard } from "./dashboard.ts";

const STATUS = '"$schema".cdc_status';

export const CRATEDB_DASHBOARD: Dashboard = {
  uid: "cdc-relay-cratedb",
  title: "MongoDB to CrateDB: streams",
  description:
    "All streams of a schema, as their relays report them in CrateDB. Nothing but CrateDB is needed.",
  source: "grafana-postgresql-datasource",
  variables: [{ name: "schema", label: "Schema of the relay's own tables", default: "doc" }],
  rows: {
    "Now": [
      {
        title: "Streams",
        kind: "stat",
        description: "Those that have ever been followed.",
        queries: [{ text: `SELECT count(*) FROM ${STATUS}` }],
        width: 4,
      },
      {
        title: "Not following",
        kind: "stat",
        description: "Streams that take a snapshot, wait for a database, have stopped or failed.",
        queries: [{
          text: `SELECT count(*) FROM ${STATUS} WHERE phase NOT IN ('following', 'catching up')`,
        }],
        limits: [1, 1],
        width: 4,
      },
      {
        title: "Largest lag",
        kind: "stat",
        description: "How far the tables are behind the collections.",
        queries: [{ text: `SELECT max(lag_ms) / 1000.0 AS lag FROM ${STATUS}` }],
        unit: "s",
        limits: [10, 60],
        width: 4,
      },
      {
        title: "Longest since a save",
        kind: "stat",
        description: "A relay that is alive saves at least every third of --lease.",
        queries: [{
          text:
            `SELECT (CURRENT_TIMESTAMP::BIGINT - min(saved_at)::BIGINT) / 1000.0 AS seconds FROM ${STATUS}`,
        }],
        unit: "s",
        limits: [15, 60],
        width: 4,
      },
      {
        title: "Least oplog headroom",
        kind: "stat",
        description: "How long a relay could be away before it needs a new snapshot.",
        queries: [{ text: `SELECT min(oplog_headroom_s) AS headroom FROM ${STATUS}` }],
        unit: "s",
        width: 4,
      },
      {
        title: "Dead letters",
        kind: "stat",
        description: "Documents that no row can hold.",
        queries: [{ text: 'SELECT count(*) FROM "$schema".cdc_dead_letter' }],
        limits: [1, 100],
        width: 4,
      },
    ],
    "Streams": [
      {
        title: "Streams",
        kind: "table",
        description: "Events, rows and overflowed are counted since the relay's start.",
        queries: [{
          text: "SELECT stream, phase, lag_ms / 1000.0 AS lag_s, cluster_time, saved_at, events, rows, " +
            "overflowed, dead_letters, failed_collections, oplog_headroom_s, last_error, version, owner " +
            `FROM ${STATUS} ORDER BY stream`,
        }],
        width: 24,
      },
      {
        title: "Snapshots under way",
        kind: "bargauge",
        description: "The part of the documents that is read.",
        queries: [{
          text:
            `SELECT stream, snapshot_done / snapshot_total::DOUBLE PRECISION AS done FROM ${STATUS} WHERE snapshot_total > 0`,
        }],
        unit: "percentunit",
        width: 24,
        height: 6,
      },
    ],
    "What did not go as it should": [
      {
        title: "Dead letters, by the minute",
        kind: "timeseries",
        description: "When documents that are still dead letters became that.",
        queries: [{
          text: "SELECT date_trunc('minute', time) AS time, stream AS metric, count(*) AS letters " +
            'FROM "$schema".cdc_dead_letter WHERE $__timeFilter(time) GROUP BY 1, 2 ORDER BY 1',
        }],
        isSeries: true,
        width: 12,
      },
      {
        title: "Latest dead letters",
        kind: "table",
        description: "Fix the cause and start the relay again: every start tries them once more.",
        queries: [{
          text: 'SELECT time, stream, oid, error FROM "$schema".cdc_dead_letter ORDER BY time DESC LIMIT 50',
        }],
        width: 12,
      },
      {
        title: "Verification",
        kind: "table",
        description: "What `verify` has found last; its first run makes the table.",
        queries: [{
          text:
            "SELECT collection, outcome, mode, finished_at, cluster_time, documents, rows, missing, extra, different, " +
            'repaired, stream FROM "$schema".cdc_verify ORDER BY collection',
        }],
        width: 24,
      },
    ],
  },
};
