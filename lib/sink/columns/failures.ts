/** What keeps a column from being widened: for good, for a moment, or until CrateDB's backup is done. */
import { messageOf, UserError } from "../../util/errors.ts";
import { isRetryable, isSinkError, isUnknownRelation, SinkError } from "../connection/sink_error.ts";
import type { Transport } from "../connection/transport.ts";
import { LeaseLostError } from "../metadata/lease.ts";
import { IncompleteRebuildError, LateWriteError } from "./rebuild.ts";

/** A server's or a rebuild's; any other error is a defect of the relay. */
export const isExpected = (error: Error): boolean =>
  error instanceof SinkError || error instanceof UserError || error instanceof LateWriteError ||
  error instanceof IncompleteRebuildError;

export const isPassing = (failure: Error): boolean =>
  failure instanceof LateWriteError || failure instanceof LeaseLostError || isRetryable(failure);

export const isBackupRunning = (error: unknown): error is SinkError => isSinkError(error, "backup running");

/** @returns the error that CrateDB's backup has caused; throws any other one */
export async function unlessBackup<T>(work: () => Promise<T>): Promise<T | SinkError> {
  try {
    return await work();
  } catch (error) {
    if (isBackupRunning(error)) return error;
    throw error;
  }
}

/**
 * A table that is swapped while CrateDB takes a snapshot is missing from that.
 *
 * @throws SinkError while CrateDB takes one; not where the user may not see that, or a repository cannot be read
 */
export async function checkBackup(transport: Transport): Promise<void> {
  let running: number;
  try {
    const { rows } = await transport.query("SELECT 1 FROM sys.snapshots WHERE state = 'IN_PROGRESS' LIMIT 1");
    running = rows.length;
  } catch (error) {
    if (error instanceof SinkError) return;
    throw error;
  }
  if (running > 0) throw new SinkError("CrateDB takes a snapshot", { kind: "backup running" });
}

/** CrateDB hides what a user may not read. No other table's name begins the message so. */
const HIDDEN = /^ ?(?:\w+\[)*(?:Schema 'sys'|Relation 'sys\.\w+') unknown/;

export function reasonOf(error: Error): string {
  const message = messageOf(error);
  return isUnknownRelation(error) && HIDDEN.test(message)
    ? `a privilege is missing: GRANT DQL ON TABLE sys.shards, sys.privileges TO <user> (${message})`
    : message;
}

/** @returns the error when another relay has taken the lock: it cleans up, and this one goes on */
export async function unlessLost<T>(work: () => Promise<T>): Promise<T | LeaseLostError> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof LeaseLostError) return error;
    throw error;
  }
}
