/** The version of CrateDB. */
import type { QueryOptions, Transport } from "./transport.ts";

/** @example OUT: CrateDB 5.10.3 (built …); PostgreSQL 16.1 on … */
export async function readVersion(
  transport: Pick<Transport, "query">,
  options?: QueryOptions,
): Promise<string> {
  const { rows: [[version] = []] } = await transport.query("SELECT version()", [], options);
  return String(version);
}

/** False for another server. @example IN: CrateDB 5.9.9 (built …), "5.10" → OUT: true; IN: CrateDB 6.0.0 (built …), "5.10" → OUT: false */
export function isBefore(version: string, first: string): boolean {
  const [, ...found] = /^CrateDB (\d+)\.(\d+)/.exec(version) ?? [];
  const [major = 0, minor = 0] = found.map(Number);
  const [firstMajor = 0, firstMinor = 0] = first.split(".").map(Number);
  return found.length > 0 && (major < firstMajor || major === firstMajor && minor < firstMinor);
}
