/** Packages of the development tools, which users of the relay do not download. */
// deno-lint-ignore-file no-import-prefix
export type { PGlite } from "npm:@electric-sql/pglite@0.5.16";

// Loaded when they are needed: each takes longer than most test files.
export const loadEsbuild = () => import("npm:esbuild@0.28.2");
export const loadMongodbServers = () => import("npm:mongodb-memory-server-core@11.3.0");
export const loadContainers = () => import("npm:testcontainers@12.2.0");
export const loadPglite = () => import("npm:@electric-sql/pglite@0.5.16");
export const loadBrowser = () => import("npm:puppeteer-core@25.16.0");
export const loadSchemaExport = () => import("npm:@valibot/to-json-schema@1.8.0");
