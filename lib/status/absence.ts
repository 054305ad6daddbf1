/** Explains why no stream was found: servers hide schemas on which the user has no privileges. */
import type { Transport } from "../sink/connection/transport.ts";
import { quoteName } from "../sink/sql/names.ts";

export interface Viewer {
  readonly user: string;
  readonly seesAll: boolean;
  readonly server: Transport["dialect"]["name"];
}

export interface Absence extends Viewer {
  /** The requested stream; undefined for all. */
  readonly wanted: string | undefined;
  readonly existing: readonly string[];
  /** The most likely schema of the relay's own tables. */
  readonly schema: string;
}

export async function viewerOf(transport: Transport): Promise<Viewer> {
  const { rows: [row] } = await transport.query(transport.dialect.viewer);
  const [user, seesAll] = row ?? [];
  return { user: String(user), seesAll: seesAll === true, server: transport.dialect.name };
}

export const explainAbsence = async (
  transport: Transport,
  absence: Omit<Absence, keyof Viewer>,
): Promise<string[]> => absenceText({ ...await viewerOf(transport), ...absence });

/** The statement that shows the tables of a schema to the user. */
export const grantText = ({ server, user }: Viewer, schema: string): string =>
  server === "CrateDB"
    ? `GRANT DQL ON SCHEMA ${quoteName(schema)} TO ${quoteName(user)}`
    : `GRANT USAGE ON SCHEMA ${quoteName(schema)} TO ${quoteName(user)}; ` +
      `GRANT SELECT ON ALL TABLES IN SCHEMA ${quoteName(schema)} TO ${quoteName(user)}`;

const MAX_STREAMS = 20;

/**
 * Explains that no stream was found, without claims about what the user cannot see.
 * @example
 * IN: {user: "reader", seesAll: false, existing: [], schema: "doc", …}
 * OUT: ["No stream is visible to the user reader: none exists yet, or …", "If it exists: GRANT DQL ON SCHEMA …"]
 */
export function absenceText(absence: Absence): string[] {
  const { user, seesAll, server, wanted, existing, schema } = absence;
  const limit = seesAll ? [] : [`If it exists: ${grantText(absence, schema)}`];
  if (wanted !== undefined && existing.length > 0) {
    const more = existing.length - MAX_STREAMS;
    return [
      `${
        seesAll ? "No relay has followed this stream" : `The user ${user} sees no stream of this name`
      }: ${wanted}`,
      "These exist:",
      ...existing.slice(0, MAX_STREAMS).map((each) => `  ${each}`),
      ...more > 0 ? [`  and ${more} more`] : [],
      ...limit,
    ];
  }
  if (seesAll) return [`No stream exists yet: no relay has written to this ${server}.`];
  const reasons = "none exists yet, or the user has no rights on the schema of the relay's own tables.";
  return [`No stream is visible to the user ${user}: ${reasons}`, ...limit];
}
