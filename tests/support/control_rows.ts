/** Requests to a relay by SQL alone, as users of `psql` ask for them: rows with an id and a verb. */
import assert from "node:assert/strict";
import type { Document } from "mongodb";
import { eventually } from "../../dev/servers/eventually.ts";
import type { Row } from "../../dev/servers/query_cratedb.ts";
import type { CratedbContext } from "./cratedb_harness.ts";

type Context = Pick<CratedbContext, "sql">;

/** Of the requests that wait for it, in milliseconds. */
const TIMEOUT_MS = 40_000;

export const request = ({ sql }: Context, id: string, verb: string, given: Document = {}): Promise<Row[]> =>
  sql("INSERT INTO cdc_control (id, verb, arguments) VALUES (?, ?, ?)", [id, verb, JSON.stringify(given)]);

export const requestRow = async ({ sql }: Context, id: string): Promise<Row | undefined> =>
  (await sql("SELECT state, progress, message FROM cdc_control WHERE id = ?", [id]))[0];

/** Resolves to the message of a request that has got into this state. */
export const ends = (
  context: Context,
  id: string,
  state = "done",
  { timeout = TIMEOUT_MS } = {},
): Promise<string> =>
  eventually(async () => {
    const row = await requestRow(context, id);
    assert.equal(row?.state, state, `${row?.message}`);
    return String(row?.message);
  }, { timeout });
