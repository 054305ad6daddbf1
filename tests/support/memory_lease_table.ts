/** A table with leases in memory, which understands the statements of `Lease` and counts versions like CrateDB. */
import { CRATEDB } from "../../lib/sink/sql/dialect.ts";
import type { Parameter, Query, Result, Transport } from "../../lib/sink/connection/transport.ts";

type Row = Record<string, Parameter> & { seqNo: number };

export interface MemoryTable extends Transport {
  readonly rows: Map<string, Row>;
  /** The server's clock, in milliseconds since 1970. */
  serverTime: number;
  /** Statements that were sent. */
  readonly sent: string[];
  /** Called after each statement has run; what it throws is what the client sees. */
  after: (sql: string) => void | Promise<void>;
}

export function memoryTable(): MemoryTable {
  const rows = new Map<string, Row>();
  const table: MemoryTable = {
    dialect: CRATEDB,
    rows,
    serverTime: 1_000_000,
    sent: [],
    after: () => {},
    async query(...[sql, parameters = []]: Parameters<Query>): Promise<Result> {
      await Promise.resolve();
      table.sent.push(sql);
      const result = run(sql, parameters);
      await table.after(sql);
      return result;
    },
    async [Symbol.asyncDispose]() {},
  };

  function run(sql: string, parameters: readonly Parameter[]): Result {
    const key = String(parameters[0]);
    if (sql.startsWith("INSERT")) {
      const isNew = !rows.has(key);
      if (isNew) rows.set(key, { owner: null, lease_until: 0, seqNo: 0 });
      return { count: isNew ? 1 : 0, rows: [] };
    }
    if (sql.startsWith("SELECT")) {
      const row = rows.get(key);
      if (!row) return { count: 0, rows: [] };
      const names = /^SELECT (.*?), lease_until::bigint/.exec(sql)?.[1]?.split(", ") ?? [];
      const values = names.map((name) => row[name] ?? null);
      return { count: 1, rows: [[...values, row.lease_until, table.serverTime, `${row.seqNo}`, "1"]] };
    }
    return update(sql, parameters);
  }

  function update(sql: string, parameters: readonly Parameter[]): Result {
    const [seqNo] = parameters.slice(-2);
    const row = rows.get(String(parameters.at(-3)));
    if (!row || String(row.seqNo) !== seqNo) return { count: 0, rows: [] };
    for (const [, name = "", at] of sql.matchAll(/(\w+)"? = \$(\d+)(?:::[A-Z ]+)?(?=,)/g)) {
      row[name] = parameters[Number(at) - 1] ?? null;
    }
    const lease = Number(parameters[Number(/\+ \$(\d+)::bigint/.exec(sql)?.[1]) - 1]);
    row.lease_until = table.serverTime + lease;
    if (sql.includes("saved_at = CURRENT_TIMESTAMP")) row.saved_at = table.serverTime;
    row.seqNo++;
    return { count: 1, rows: [] };
  }

  return table;
}
