/** Samples documents, to create the first columns of a table. Without a sample, columns are created as documents arrive. */
import type { Document, MongoServerError } from "mongodb";
import { shared } from "../../util/concurrency.ts";
import { type Namespace, namespaceText } from "../../util/namespace.ts";
import type { Logger } from "../../util/log.ts";
import type { CausalReader, KeyedDocument } from "../connection/causal_reader.ts";
import { hasCode, isEventTooLarge, isRefusal, MongodbCode } from "../connection/mongodb_errors.ts";

/** Random documents of a collection after some stages; none if the server refuses. */
export async function sampleOf(
  reader: Pick<CausalReader, "page">,
  namespace: Namespace,
  { size, stages, onRefused }: {
    readonly size: number;
    readonly stages: readonly Document[];
    readonly onRefused: (error: MongoServerError) => void;
  },
): Promise<readonly KeyedDocument[]> {
  try {
    const { documents } = await reader.page(namespace, {
      aggregate: namespace.collection,
      pipeline: [{ $sample: { size } }, ...stages],
      // If MongoDB cannot use a random cursor, $sample sorts whole documents.
      allowDiskUse: true,
      cursor: { batchSize: size },
    }, { hint: null, abortable: true, isLong: true });
    return documents;
  } catch (error) {
    // A transform can make a document too large.
    if (!isRefusal(error) && !isEventTooLarge(error)) throw error;
    onRefused(error);
    return [];
  }
}

const MAX_DOCUMENTS = 1_000;
const MAX_BYTES = 4 * 2 ** 20;

/**
 * Takes samples of transformed documents. Logs once if the server refuses them.
 * @example IN: shop.orders with 20,000 documents → OUT: 1,000 of them; documents of 160 kB → OUT: 26 of them
 */
export function sampler(reader: CausalReader, log: Logger) {
  let isLogged = false;
  return async (namespace: Namespace, stages: readonly Document[]): Promise<Uint8Array[]> => {
    const onRefused = ({ code }: MongoServerError) => {
      const fields = { collection: namespaceText(namespace), code };
      if (!isLogged) {
        log.warn("MongoDB refused a sample of the documents: creating columns as documents arrive", fields);
      }
      isLogged = true;
    };
    const size = sampleSize(await averageBytes(namespace, reader));
    const documents = await sampleOf(reader, namespace, { size, stages, onRefused });
    return documents.map(({ document }) => document);
  };
}

export const averageBytes = async (
  namespace: Namespace,
  reader: Pick<CausalReader, "read">,
): Promise<number | undefined> => (await storageOf(namespace, reader))?.averageBytes;

interface Storage {
  readonly averageBytes: number;
  /** Of all documents, without compression. */
  readonly bytes: number;
}

/** The sizes of a collection; undefined if the server refuses. */
export async function storageOf(
  { database, collection }: Namespace,
  reader: Pick<CausalReader, "read">,
): Promise<Storage | undefined> {
  const stages = [{ $collStats: { storageStats: {} } }];
  try {
    const shards = await reader.read((client, options) =>
      client.db(database).collection(collection).aggregate(stages, options).toArray()
    );
    const of = (name: string) => shards.map(({ storageStats }) => Number(storageStats?.[name]) || 0);
    const bytes = of("size").reduce((sum, each) => sum + each, 0);
    return { averageBytes: Math.max(0, ...of("avgObjSize")), bytes };
  } catch (error) {
    // A relay may create a table before its collection exists.
    if (hasCode(error, MongodbCode.NamespaceNotFound)) return { averageBytes: 0, bytes: 0 };
    if (isRefusal(error) || hasCode(error, MongodbCode.Unauthorized)) return undefined;
    throw error;
  }
}

export type Sizes = ReturnType<typeof sizesOf>;

/** The bytes of collections; undefined if the server refuses. */
export function sizesOf(reader: Pick<CausalReader, "read">) {
  const asked = new Map<string, Promise<number | undefined>>();
  const ask = async (namespace: Namespace) => (await storageOf(namespace, reader))?.bytes;

  /** Asks, and keeps the answer for {@linkcode take}. */
  function ahead(namespace: Namespace): Promise<number | undefined> {
    return shared(asked, namespaceText(namespace), () => ask(namespace));
  }

  /** Returns the kept answer and drops it, or asks: later, another collection may have the name. */
  function take(namespace: Namespace): Promise<number | undefined> {
    const answer = asked.get(namespaceText(namespace));
    asked.delete(namespaceText(namespace));
    return answer ?? ask(namespace);
  }

  return { ahead, take };
}

/** The number of documents in a sample. @example IN: 200 → OUT: 1000; IN: 160,000 → OUT: 26 */
export const sampleSize = (averageBytes = 0, documents = MAX_DOCUMENTS): number =>
  Math.max(1, Math.min(documents, Math.floor(MAX_BYTES * documents / MAX_DOCUMENTS / averageBytes)));
