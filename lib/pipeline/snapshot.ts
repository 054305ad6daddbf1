/**
 * The copy of what was there before the change stream was opened, chunk by chunk. A chunk is always newer than what
 * the stream has brought, and every later change comes after it, so the end state is right without tombstones.
 */
import type { RelaySettings } from "./settings.ts";
import type { TableApplier } from "./table_applier.ts";
import type { Logger } from "../util/log.ts";
import { bytesFromHex, bytesToHex } from "../bson/bson.ts";
import { idOfKey } from "../key/key_to_id.ts";
import type { Chunk, DocumentReader } from "../source/documents.ts";
import type { CausalReader } from "../source/causal_reader.ts";
import { type Namespace, namespaceText } from "../namespace.ts";
import type { TableRegistry } from "./table_registry.ts";

/** What is saved of a copy. */
interface Saved {
  /** The collection at hand; those before it, in the order of their names, are done. Null when all are. */
  readonly from: string | null;
  /** BSON of the `_id` copied last, in hex digits; null at the start of a collection. */
  readonly last: string | null;
  /** Whether rows whose documents are gone are removed. */
  readonly sweep: boolean;
  readonly copied: number;
  /** Collections to be copied again, after the others. */
  readonly again: readonly Again[];
}

interface Again extends Namespace {
  /** Whether rows whose documents are gone stay. */
  readonly keeps?: boolean;
}

export interface SnapshotDeps {
  readonly causalReader: CausalReader;
  readonly reader: DocumentReader;
  readonly targets: TableRegistry;
  readonly onDrop: RelaySettings["onDrop"];
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** Called after each chunk. */
  readonly advanced: () => Promise<void>;
}

/** Milliseconds of copying until the stream has its turn. */
const TURN = 1_000;
/** Rows looked at in one step of a sweep. */
const STEP = 2_000;

/** What is saved before a copy of everything has begun. */
export const wholeCopy = ({ sweep }: Pick<Saved, "sweep">): string =>
  JSON.stringify({ from: "", last: null, sweep, copied: 0, again: [] } satisfies Saved);

/** Whether what is left of a copy stands for changes that the stream does not bring, and is not just a beginning. */
export function makesGood(saved: string): boolean {
  const { sweep, again }: Saved = JSON.parse(saved);
  return sweep || again.length > 0;
}

/**
 * What is left of a copy, and one more collection to be copied from its start.
 *
 * @param saved null where there is nothing to copy
 */
export function withAgain(saved: string | null, { database, collection }: Namespace): string {
  const nothing: Saved = { from: null, last: null, sweep: false, copied: 0, again: [] };
  const left: Saved = saved === null ? nothing : JSON.parse(saved);
  const name = namespaceText({ database, collection });
  const [first] = left.again;
  const atHand = left.from ?? (first && namespaceText(first));
  const last = atHand === name ? null : left.last;
  if (left.from !== null && left.from <= name) return JSON.stringify({ ...left, last } satisfies Saved);
  const others = left.again.filter((each) => namespaceText(each) !== name);
  return JSON.stringify({ ...left, last, again: [...others, { database, collection }] } satisfies Saved);
}

export class Copy {
  readonly #parts: SnapshotDeps;
  #rest: Namespace[] = [];
  #again: Again[] = [];
  #last: string | null = null;
  #sweep = false;
  #copied = 0;
  /** Keys that a sweep has still to look at; undefined before it. */
  #unswept: AsyncGenerator<string[]> | undefined;

  /** @param saved what {@linkcode state} was; null where there is nothing to copy */
  constructor(namespaces: readonly Namespace[], saved: string | null, parts: SnapshotDeps) {
    this.#parts = parts;
    if (saved === null) return;
    const { from, last, sweep, copied, again }: Saved = JSON.parse(saved);
    this.#rest = from === null ? [] : namespaces.filter((each) => namespaceText(each) >= from);
    const goesOn = from === null || this.#rest[0] && namespaceText(this.#rest[0]) === from;
    this.#again = [...again];
    this.#last = goesOn ? last : null;
    this.#sweep = sweep;
    this.#copied = copied;
  }

  get pending(): boolean {
    return this.#rest.length + this.#again.length > 0;
  }

  /** Documents looked at. */
  get copied(): number {
    return this.#copied;
  }

  /** To be saved with the position. */
  get state(): string | null {
    if (!this.pending) return null;
    const [first] = this.#rest;
    return JSON.stringify(
      {
        from: first ? namespaceText(first) : null,
        last: this.#last,
        sweep: this.#sweep,
        copied: this.#copied,
        again: this.#again,
      } satisfies Saved,
    );
  }

  /** Has a collection copied once more, from its start: it has become another one. */
  again({ database, collection }: Namespace, { keeps = false } = {}): void {
    this.forget({ database, collection });
    this.#again.push({ database, collection, keeps });
  }

  /** The same of one whose table had rows of a collection that is gone: those follow `--on-drop`. */
  inherit(namespace: Namespace): void {
    this.again(namespace, { keeps: this.#parts.onDrop === "keep" });
  }

  /** Copies a collection no further that is gone: what one of the same name will have comes with the stream. */
  forget(namespace: Namespace): void {
    const name = namespaceText(namespace);
    const others = (each: Namespace) => namespaceText(each) !== name;
    const atHand = this.#rest[0] ?? this.#again[0];
    if (atHand && !others(atHand)) [this.#last, this.#unswept] = [null, undefined];
    this.#rest = this.#rest.filter(others);
    this.#again = this.#again.filter(others);
  }

  /** Copies for a while. Nothing of the stream may be landed meanwhile. */
  async turn(): Promise<void> {
    const until = Date.now() + TURN;
    while (this.pending && Date.now() < until && !this.#parts.signal.aborted) {
      const [again] = this.#rest.length > 0 ? [] : this.#again;
      const namespace = this.#rest[0] ?? again;
      if (!namespace) return;
      // The stream has still to tell of its end; another one may have its name by now.
      if (again && !await this.#parts.causalReader.exists(again)) {
        this.forget(again);
        continue;
      }
      const sweeps = again ? !again.keeps : this.#sweep;
      const landing = await this.#parts.targets.of(namespace);
      if (!this.#unswept && !await this.#copy({ namespace, landing, until })) return;
      if (sweeps && !await this.#sweepOut({ namespace, landing, until })) return;
      (this.#rest.length > 0 ? this.#rest : this.#again).shift();
      [this.#last, this.#unswept] = [null, undefined];
      await this.#parts.advanced();
    }
  }

  /** Whether the collection is at its end. While one chunk is written, the next is read. */
  async #copy({ namespace, landing, until }: Part): Promise<boolean> {
    const { reader, signal, advanced } = this.#parts;
    const read = (last: Uint8Array | null): Promise<Chunk> => {
      const reading = reader.chunk(namespace, last);
      reading.catch(() => {}); // It is awaited later, if at all.
      return reading;
    };
    let reading: Promise<Chunk> | undefined = read(this.#last === null ? null : bytesFromHex(this.#last));
    try {
      while (reading) {
        const { documents, last, seen, done }: Chunk = await reading;
        reading = !done && Date.now() < until && !signal.aborted ? read(last) : undefined;
        await landing.land(documents);
        this.#last = last && bytesToHex(last);
        this.#copied += seen;
        if (done) return true;
        await advanced();
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      await reading?.catch(() => {});
    }
    return false;
  }

  /** Whether all rows have been looked at. The stream cannot bring a document back between the look and the removal. */
  async #sweepOut({ namespace, landing, until }: Part): Promise<boolean> {
    const { targets, log, signal } = this.#parts;
    if (!this.#unswept) {
      const other = await targets.sharer(namespace);
      if (other) {
        log.warn("Rows of documents that are gone stay: another stream writes to the table too", {
          stream: other,
        });
        return true;
      }
      await landing.refresh();
      await landing.remove(await this.#gone(namespace, landing.deadKeys));
      this.#unswept = landing.keys(STEP);
    }
    while (Date.now() < until && !signal.aborted) {
      const { value: oids, done } = await this.#unswept.next();
      if (done) return true;
      const gone = await this.#gone(namespace, oids);
      await landing.remove(gone);
      if (gone.length > 0) log.info("Rows removed whose documents are gone", { rows: gone.length });
    }
    return false;
  }

  /** Those keys that no document has, or none that matches. Of a collection that is gone, as `--on-drop` says. */
  async #gone(namespace: Namespace, oids: readonly string[]): Promise<string[]> {
    const { causalReader, reader, onDrop } = this.#parts;
    const ids = oids.map(idOfKey);
    const there = await reader.keysOf(namespace, ids.filter((id) => id !== undefined));
    const unclear = new Set(oids.filter((_, index) => ids[index] === undefined));
    if (unclear.size > 0) { for (const key of await reader.keysAmong(namespace, unclear)) there.add(key); }
    const gone = oids.filter((oid) => !there.has(oid));
    const stay = gone.length > 0 && onDrop === "keep" && !await causalReader.exists(namespace);
    return stay ? [] : gone;
  }
}

interface Part {
  readonly namespace: Namespace;
  readonly landing: TableApplier;
  readonly until: number;
}
