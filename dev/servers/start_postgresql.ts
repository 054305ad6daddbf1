import { join } from "node:path";
import type { PGlite } from "@electric-sql/pglite";
import { maskUrl } from "../../lib/util/mask_url.ts";
import { firstServer, type Server } from "./first_server.ts";
import { installedPostgresql, startInstalledPostgresql } from "./installed_postgresql.ts";
import { NoServerError } from "./no_server_error.ts";
import { servePglite } from "./serve_pglite.ts";

export interface Postgresql extends Server {
  /** `postgresql://postgres@localhost:5432/postgres` */
  readonly url: string;
  /** Whether it is PGlite, in this process. */
  readonly embedded: boolean;
}

export interface PostgresqlOptions {
  /** Of a server that runs already. @default $POSTGRESQL_URL */
  readonly url?: string | undefined;
  /** Of the programs `initdb` and `postgres`; empty for PGlite. @default that of an installed PostgreSQL */
  readonly folder?: string | undefined;
}

/**
 * A PostgreSQL that answers: the one named by a URL, else an installed one, else PGlite in this process, which needs
 * nothing but memory and is gone with the process.
 *
 * @example
 * await using postgresql = await startPostgresql();
 * IN: no POSTGRESQL_URL, none installed
 * OUT: {url: "postgresql://postgres@127.0.0.1:32771/postgres", description: "PostgreSQL: PGlite on …", embedded: true}
 */
export function startPostgresql(options: PostgresqlOptions = {}): Promise<Postgresql> {
  const { url = Deno.env.get("POSTGRESQL_URL"), folder = installedPostgresql() } = options;
  return firstServer("PostgreSQL", [() => named(url), () => installed(folder), embedded]);
}

function named(url: string | undefined): Postgresql {
  if (!url) throw new NoServerError("POSTGRESQL_URL is not set");
  return {
    url,
    embedded: false,
    description: `${maskUrl(url)}, as POSTGRESQL_URL says`,
    async [Symbol.asyncDispose]() {},
  };
}

async function installed(folder: string | undefined): Promise<Postgresql> {
  if (!folder) throw new NoServerError("none is installed");
  const { url, [Symbol.asyncDispose]: dispose } = await startInstalledPostgresql(folder);
  const description = `${join(folder, "postgres")} on ${new URL(url.replace("postgresql:", "http:")).host}`;
  return { url, embedded: false, description, [Symbol.asyncDispose]: dispose };
}

async function embedded(): Promise<Postgresql> {
  const { PGlite } = await import("@electric-sql/pglite");
  const db = await PGlite.create();
  const server = servePglite(db);
  const address = `127.0.0.1:${server.port}`;
  return {
    url: `postgresql://postgres@${address}/postgres`,
    embedded: true,
    description: `PGlite (${await versionOf(db)}) on ${address}`,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await db.close();
    },
  };
}

/** @example OUT: PostgreSQL 18.6 */
async function versionOf(db: PGlite): Promise<string> {
  const { rows: [row] } = await db.query<{ server_version: string }>("SHOW server_version");
  return `PostgreSQL ${row?.server_version}`;
}
