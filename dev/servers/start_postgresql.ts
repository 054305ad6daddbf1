import { loadPglite } from "../deps.ts";
import { firstServer, named, type Server } from "./first_server.ts";
import { servePglite } from "./serve_pglite.ts";

export interface Postgresql extends Server {
  /** `postgresql://postgres@localhost:5432/postgres` */
  readonly url: string;
  /** Whether it is PGlite in this process. */
  readonly embedded: boolean;
}

export interface PostgresqlOptions {
  /** Of a running server. @default $POSTGRESQL_URL */
  readonly url?: string | undefined;
}

/**
 * Returns the PostgreSQL that `POSTGRESQL_URL` names, or starts PGlite in this process, with its data in memory.
 *
 * @example
 * await using postgresql = await startPostgresql();
 * IN: no POSTGRESQL_URL
 * OUT: {url: "postgresql://postgres@127.0.0.1:32771/postgres", description: "PostgreSQL: PGlite on …", embedded: true}
 */
export function startPostgresql(options: PostgresqlOptions = {}): Promise<Postgresql> {
  const { url = Deno.env.get("POSTGRESQL_URL") ?? "" } = options;
  return firstServer("PostgreSQL", [() => named("POSTGRESQL_URL", { url, embedded: false }), embedded]);
}

async function embedded(): Promise<Postgresql> {
  const { PGlite } = await loadPglite();
  const db = await PGlite.create();
  const server = servePglite(db);
  const address = `127.0.0.1:${server.port}`;
  const { rows: [row] } = await db.query<{ server_version: string }>("SHOW server_version");
  return {
    url: `postgresql://postgres@${address}/postgres`,
    embedded: true,
    description: `PGlite (PostgreSQL ${row?.server_version}) on ${address}`,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await db.close();
    },
  };
}
