import { parseSinkUrl } from "../../lib/sink/connection/url.ts";

export type Row = Record<string, unknown>;

/**
 * Runs one statement over CrateDB's HTTP endpoint. Integers beyond 2^53 lose digits: cast them to text.
 *
 * @example
 * IN: "crate://localhost:4200", "SELECT oid, data['n']::text AS n FROM t WHERE oid = ?", ["a"]
 * OUT: [{oid: "a", n: "9223372036854775807"}]
 *
 * @throws {Error} with the statement, when CrateDB refuses it or does not answer within 30 s
 */
export async function queryCratedb(
  httpUrl: string,
  statement: string,
  args: readonly unknown[] = [],
): Promise<Row[]> {
  const { host, port, user, password, tls, schema } = parseSinkUrl(httpUrl);
  const response = await fetch(`${tls ? "https" : "http"}://${host}:${port}/_sql`, {
    method: "POST",
    headers: {
      "Content-Type": "application/json",
      "Default-Schema": schema,
      ...(password ? { Authorization: `Basic ${btoa(`${user}:${password}`)}` } : {}),
    },
    body: JSON.stringify({ stmt: statement, args }),
    signal: AbortSignal.timeout(30_000),
  }).catch((cause) => {
    throw new Error(`${cause.message} in: ${statement}`, { cause });
  });
  const { cols, rows, error } = await response.json();
  if (error) throw new Error(`${error.message} in: ${statement}`);
  return rows.map((row: unknown[]) => Object.fromEntries(row.map((value, at) => [cols[at], value])));
}
