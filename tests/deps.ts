/** Packages of the tests, which users of the relay do not download. */
// deno-lint-ignore-file no-import-prefix
export { default as fc } from "npm:fast-check@4.10.2";
export { loadBrowser, loadContainers, loadMongodbServers } from "../dev/deps.ts";
export { Ajv } from "npm:ajv@8.20.0";
