/**
 * Reads a collection in the order of its records on disk, which is faster than the order of random keys. MongoDB resumes
 * after a record. The ids of records differ between servers, and those of recent documents change if a server recovers
 * from a crash or rolls back. So a position is valid for one server process in one state; in any other, the read begins again.
 */
import { BSON, type Document } from "mongodb";
import { fieldsByName } from "../../bson/bson.ts";
import type { Logger } from "../../util/log.ts";
import { type Namespace, namespaceText } from "../../util/namespace.ts";
import type { CausalReader, Page } from "../connection/causal_reader.ts";
import { hasCode, isRefusal, MongodbCode } from "../connection/mongodb_errors.ts";
import { type Chunk, isThere } from "./chunk.ts";
import { lookUp } from "./look_up.ts";
import { type CollectionPages, KEY } from "./pages.ts";

export interface RecordPosition {
  /** The process of the server, and the number of changes of its state. */
  readonly server: string;
  /** MongoDB's tokens of the last chunks, the newest first; none for the start. The record of one may be deleted. */
  readonly tokens: readonly Document[];
}

const KEPT_TOKENS = 3;

/** @example IN: {server: "656a…:6", tokens: [{$recordId: 7}]} → OUT: its BSON, in place of a key */
export const positionBytes = (position: RecordPosition): Uint8Array => BSON.serialize(position);

/** The inverse of {@linkcode positionBytes}; undefined for a key. */
export function recordPosition(bytes: Uint8Array | null): RecordPosition | undefined {
  if (!bytes || fieldsByName(bytes).has("_id")) return undefined;
  const { server, tokens } = BSON.deserialize(bytes, { promoteLongs: false });
  return { server, tokens };
}

/**
 * The start of a read in the order of records; undefined if the server refuses it, which is logged.
 * @example IN: shop.orders on a replica set → OUT: {server: "656a…:6", tokens: []}; on a mongos → OUT: undefined
 */
export async function recordStart(
  reader: CausalReader,
  namespace: Namespace,
  log: Logger,
): Promise<RecordPosition | undefined> {
  const server = await serverOf(reader);
  if (server === undefined) return refused(namespace, log);
  const find = { find: namespace.collection, limit: 1, ...REQUEST };
  const trial = (command: Document) => unlessRefused(reader.page(namespace, command, OPTIONS));
  const first = await trial(find);
  if (!isUsable(first)) return refused(namespace, log);
  // A server may return tokens and not resume after them.
  const token = first === "deleted" || first.documents.length === 0 ? undefined : first.resumeToken;
  const resumes = !token || isUsable(await trial({ ...find, $_resumeAfter: token }));
  return resumes ? { server, tokens: [] } : refused(namespace, log);
}

/** Whether a read was accepted, and a page with documents has a token. */
const isUsable = (page: Trial): page is Page | "deleted" =>
  page === "deleted" || page !== undefined && (page.resumeToken !== undefined || page.documents.length === 0);

function refused(namespace: Namespace, log: Logger): undefined {
  log.warn("MongoDB refuses a read in the order of records: reading a collection in the order of _id", {
    collection: namespaceText(namespace),
  });
}

/**
 * The first documents after a position, and the position after them. Begins again at the first record if the server has
 * changed, or if all records of the position are deleted. Undefined if the server refuses this, too.
 */
export async function recordChunk(
  reader: CausalReader,
  pages: CollectionPages,
  { server, tokens }: RecordPosition,
  { filter, size, log }: { readonly filter: Document; readonly size: number; readonly log: Logger },
): Promise<Chunk | undefined> {
  const { namespace, transform } = pages;
  const projection = transform.length > 0 ? KEY : {};
  const find = { filter, projection, limit: size, batchSize: size, ...REQUEST };
  while (true) {
    const [token] = tokens;
    const page = await unlessRefused(pages.find({ ...find, ...token && { $_resumeAfter: token } }, OPTIONS));
    // Without a token, the server cannot miss a record.
    const isAccepted = page !== undefined && (page !== "deleted" || token !== undefined);
    const now = isAccepted ? await serverOf(reader) : undefined;
    if (now === undefined) return refused(namespace, log);
    if (page && page !== "deleted" && now === server) {
      const { documents: { length: seen }, exhausted } = page;
      const done = exhausted && seen < size;
      const newest = page.resumeToken;
      // Without it, the next chunk would be this one again.
      if (!newest && !done) return refused(namespace, log);
      const kept = [...newest ? [newest] : [], ...tokens].slice(0, KEPT_TOKENS);
      const last = positionBytes({ server, tokens: kept });
      return { documents: await wholeOf(page, pages), last, seen, done };
    }
    tokens = now === server ? tokens.slice(1) : [];
    server = now;
    const collection = namespaceText(namespace);
    if (tokens.length === 0) log.info("Reading a collection from its first record again", { collection });
  }
}

const REQUEST = { $_requestResumeToken: true } as const;
/** The server reports a deleted record like a missing key, for which a retry could help. */
const isDeleted = (error: unknown): boolean => hasCode(error, MongodbCode.KeyNotFound);
const OPTIONS = { hint: { $natural: 1 }, abortable: true, isAnswer: isDeleted } as const;

/** Asked after a read, it shows that the server was the same during the read. Undefined for a mongos or another service. */
async function serverOf(reader: Pick<CausalReader, "read">): Promise<string | undefined> {
  const { msg, topologyVersion: version } = await reader.read((client, options) =>
    client.db("admin").command({ hello: 1 }, options)
  );
  return msg === "isdbgrid" || !version ? undefined : `${version.processId}:${version.counter}`;
}

/** A page; "deleted" if the record of the token is deleted; undefined if the server refuses the read. */
type Trial = Page | "deleted" | undefined;

async function unlessRefused(reading: Promise<Page>): Promise<Trial> {
  try {
    return await reading;
  } catch (error) {
    if (isDeleted(error)) return "deleted";
    if (isRefusal(error)) return undefined;
    throw error;
  }
}

/** The documents of a page, or with a transform those that the keys of a page have now. */
async function wholeOf(page: Page, pages: CollectionPages): Promise<Chunk["documents"]> {
  const { documents } = page;
  if (pages.transform.length === 0) {
    pages.learn(page);
    return documents;
  }
  const parts = await Array.fromAsync(lookUp(pages, documents.map(({ id }) => id)));
  return parts.flat().filter(isThere);
}
