/**
 * Snapshots of documents that match a filter. Their keys are read while the loop follows the stream.
 * In slices, nothing of the stream is applied, and the documents of these keys are looked up and written. So a row is
 * never older than the stream, also if its document has changed since its key was read. No row is removed.
 */
import { bytesFromHex, bytesToHex } from "../../bson/bson.ts";
import { idDocument } from "../../key/query_literal.ts";
import { type Chunk, isNamed, isThere, type LookedUp } from "../../source/documents/chunk.ts";
import type { DocumentReader } from "../../source/documents/documents.ts";
import { parseFilter } from "../../source/documents/transform.ts";
import { codeText, hasCode, isRefusal, MongodbCode } from "../../source/connection/mongodb_errors.ts";
import type { Clock } from "../../util/clock.ts";
import { messageOf, undefinedIf } from "../../util/errors.ts";
import type { Logger } from "../../util/log.ts";
import { type Namespace, namespaceText } from "../../util/namespace.ts";
import { backoff } from "../../util/retry.ts";
import type { Collections } from "../collections/collections.ts";
import type { RelaySettings } from "../settings.ts";
import { SLICE_MS, SnapshotRate } from "./snapshot_rate.ts";
import type { FilteredSnapshot } from "./snapshot_state.ts";

export interface FilteredSnapshotsDeps {
  readonly chunks: Pick<DocumentReader, "keysMatching">;
  readonly reader: Pick<DocumentReader, "lookUp">;
  readonly tables: Pick<Collections, "of" | "attempt">;
  readonly settings: Pick<RelaySettings, "snapshotRate">;
  readonly signal: AbortSignal;
  readonly clock: Pick<Clock, "monotonic" | "wait">;
  readonly log: Logger;
}

export type FilteredOutcome =
  | { readonly kind: "done"; readonly documents: number }
  | {
    readonly kind: "running";
    readonly documents: number;
    /** Whether MongoDB takes long to find the next documents. */
    readonly isSlow: boolean;
  }
  | { readonly kind: "failed"; readonly reason: string };

/** Keys read ahead, and documents looked up and written together. */
const MAX_KEYS = 10_000;
const STEP_DOCUMENTS = 1_000;

/** One at a time, in the order of the requests. */
export class FilteredSnapshots {
  readonly #deps: FilteredSnapshotsDeps;
  #left: readonly FilteredSnapshot[];
  /** Of those that have ended since the start. */
  readonly #outcomes = new Map<string, FilteredOutcome>();
  /** Keys of the first one that are not written; undefined while they are being read. */
  #keys: Chunk | undefined;
  /** Whether MongoDB takes long to find these keys. */
  #isSlow = false;
  #rate: SnapshotRate | undefined;
  /** For requests without a rate. */
  #commonRate: number;

  constructor(saved: readonly FilteredSnapshot[], deps: FilteredSnapshotsDeps) {
    this.#left = saved;
    this.#deps = deps;
    this.#commonRate = deps.settings.snapshotRate;
    this.#next();
  }

  /** As they are saved with the position. */
  get left(): readonly FilteredSnapshot[] {
    return this.#left;
  }

  /** Whether a slice has something to do. */
  get isReady(): boolean {
    return this.#keys !== undefined;
  }

  /** When the rate allows the next slice, by the monotonic clock. */
  get resumesAt(): number {
    return this.#rate?.nextAt ?? 0;
  }

  /** Adds one, unless an equal one is unfinished. @returns the id of that one, or of the new one */
  add(added: Omit<FilteredSnapshot, "after" | "documents">): string {
    const nameOf = (each: typeof added) => `${namespaceText(each)} ${each.filter}`;
    const equal = this.#left.find((each) => each.id === added.id || nameOf(each) === nameOf(added));
    if (equal) return equal.id;
    this.#left = [...this.#left, { ...added, after: null, documents: 0 }];
    if (this.#left.length === 1) this.#next();
    return added.id;
  }

  /** Replaces the rate of requests that name none. */
  limit(rate: number): void {
    this.#commonRate = rate;
    if (this.#left[0]?.rate === undefined) this.#rate?.limit(rate);
  }

  /** Ends one that was cancelled. */
  discard(id: string): void {
    if (this.outcome(id)?.kind === "running") this.#end(id, { kind: "failed", reason: "it was cancelled" });
  }

  /** Undefined for one that is unknown: call {@linkcode add}. */
  outcome(id: string): FilteredOutcome | undefined {
    const at = this.#left.findIndex((each) => each.id === id);
    const left = this.#left[at];
    if (!left) return this.#outcomes.get(id);
    return { kind: "running", documents: left.documents, isSlow: at === 0 && this.#isSlow };
  }

  /** Looks up and writes documents. Apply nothing of the stream until it has ended. */
  async runSlice(): Promise<void> {
    const { clock, signal } = this.#deps;
    const until = clock.monotonic() + SLICE_MS;
    while (this.#keys && clock.monotonic() < until && !signal.aborted) {
      const size = this.#rate?.take() ?? 0;
      if (size === 0) return;
      this.#rate?.settle(size, await this.#step(this.#keys, Math.min(size, STEP_DOCUMENTS)));
    }
  }

  /** @returns the number of documents */
  async #step(keys: Chunk, size: number): Promise<number> {
    const [first] = this.#left;
    if (!first) return 0;
    const some = keys.documents.slice(0, size);
    const isUsable = await this.#write(first, some);
    if (this.#left[0] !== first) return some.length;
    if (!isUsable) {
      this.#end(first.id, {
        kind: "failed",
        reason: "its collection is skipped: see its state in cdc_collection",
      });
      return some.length;
    }
    const rest = keys.documents.slice(some.length);
    const documents = first.documents + some.length;
    const last = rest.length === 0 ? keys.last : lastOf(some) ?? bytesOf(first.after);
    const next = { ...first, documents, after: last && bytesToHex(last) };
    this.#left = [next, ...this.#left.slice(1)];
    if (rest.length > 0) this.#keys = { ...keys, documents: rest };
    else if (keys.done) this.#end(next.id, { kind: "done", documents });
    else this.#readKeys(next);
    return some.length;
  }

  /** Resolves to whether the table could be used. */
  #write(namespace: Namespace, keys: readonly LookedUp[]): Promise<boolean> {
    const { reader, tables } = this.#deps;
    return tables.attempt(namespace, async () => {
      for await (const part of reader.lookUp(namespace, keys.map(({ id }) => id))) {
        const found = part.filter(isThere);
        // If the collection was dropped, its table is not created again.
        if (found.length > 0) await (await tables.of(namespace)).apply(found, "snapshot");
      }
    });
  }

  #end(id: string, outcome: FilteredOutcome): void {
    const wasFirst = this.#left[0]?.id === id;
    this.#left = this.#left.filter((each) => each.id !== id);
    this.#outcomes.set(id, outcome);
    if (wasFirst) this.#next();
  }

  #next(): void {
    const [first] = this.#left;
    this.#keys = undefined;
    this.#isSlow = false;
    if (!first) return;
    const rate = first.rate ?? this.#commonRate;
    this.#rate = new SnapshotRate({ rate, readers: 1, clock: this.#deps.clock });
    this.#readKeys(first);
  }

  async #readKeys({ id, filter, after, ...namespace }: FilteredSnapshot): Promise<void> {
    this.#keys = undefined;
    const { chunks, signal, clock } = this.#deps;
    const isFirst = () => this.#left[0]?.id === id && !signal.aborted;
    const options = { after: bytesOf(after), atMost: MAX_KEYS };
    // A filter that cannot be read ends its request, not the stream.
    try {
      const query = parseFilter(filter);
      for (let tries = 0; isFirst(); tries++) {
        const keys = await chunks.keysMatching(namespace, query, options).catch(undefinedIf(isTimeOver));
        if (!isFirst()) return;
        if (keys) {
          this.#keys = keys;
          this.#isSlow = false;
          return;
        }
        if (!this.#isSlow) this.#warnOfTime(id, namespace);
        this.#isSlow = true;
        await backoff(tries, signal, clock);
      }
    } catch (error) {
      if (isFirst()) this.#end(id, { kind: "failed", reason: reasonOf(error, namespace) });
    }
  }

  #warnOfTime(id: string, namespace: Namespace): void {
    this.#deps.log.warn(
      "MongoDB takes long to apply the filter of a snapshot: retrying with more time",
      {
        collection: namespaceText(namespace),
        request: id,
        hint: "Create an index for the filter. MongoDB runs $where for each document.",
      },
    );
  }
}

/** Whether the time limit was exceeded. It rises with each attempt. */
const isTimeOver = (error: unknown): boolean => hasCode(error, MongodbCode.MaxTimeMSExpired);

/** Without MongoDB's message, which may quote values of the document. */
function reasonOf(error: unknown, namespace: Namespace): string {
  if (!isRefusal(error)) return messageOf(error);
  const place = `a document of ${namespaceText(namespace)} (${codeText(error)})`;
  return `MongoDB cannot apply the filter to ${place}. To see the whole error, run the filter in MongoDB. ` +
    "Make it fit each document, for example with $type or onError.";
}

const bytesOf = (hex: string | null) => hex === null ? null : bytesFromHex(hex);

/** The last key after which a query can go on. */
function lastOf(keys: readonly LookedUp[]): Uint8Array | undefined {
  const last = keys.findLast(isNamed);
  return last && idDocument(last.id);
}
