import { type Document, MongoServerError } from "mongodb";
import type { BsonValue } from "../../bson/bson.ts";
import { keyText } from "../../key/key_text.ts";
import { valueOf } from "../../key/query_literal.ts";
import { UserError } from "../../util/errors.ts";
import { namespaceText } from "../../util/namespace.ts";
import type { KeyedDocument, Page } from "../connection/causal_reader.ts";
import { codeText, isTransformFailure } from "../connection/mongodb_errors.ts";
import { lastEnd, type LookedUp } from "./chunk.ts";
import { type CollectionPages, KEY } from "./pages.ts";

/** Limits of one query. The relay writes its documents while it looks up the next ones. */
const MAX_KEYS = 2_500;
const MAX_KEY_BYTES = 2 ** 20;

type Asked = ReturnType<typeof asked>;

/** A key to look up. `name` is its value in a query, if a query can contain it. */
const asked = (key: string, id: BsonValue) => ({ key, id, name: valueOf(id) });

/**
 * The current documents with these keys, in parts. Each key is returned once.
 * @throws UserError if the transform removes or changes `_id`, or fails for each document that was tried
 */
export async function* lookUp(
  pages: CollectionPages,
  ids: readonly BsonValue[],
  stages: readonly Document[] = pages.transform,
): AsyncGenerator<LookedUp[]> {
  const keys = [...new Map(ids.map((id) => [keyText(id), id]))].map(([key, id]) => asked(key, id));
  const { named = [], unnamed = [] } = Object.groupBy(keys, ({ name }) => name ? "named" : "unnamed");
  const refusals = new Refusals(pages);
  // A stack of lists; `at` is the first key of a list that is still to be looked up.
  const waiting = [{ keys: named, at: 0 }];
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const { keys, at } = next;
    const end = groupEnd(keys, at, Math.min(MAX_KEYS, pages.size.documents));
    const group = keys.slice(at, end);
    if (end < keys.length) waiting.push({ keys, at: end });
    const [first] = group;
    if (!first) continue;
    const reply = await pageOf(pages, group, stages);
    if (reply instanceof MongoServerError) {
      const middle = Math.ceil(group.length / 2);
      if (group.length === 1) await refusals.add(first, reply);
      else waiting.push({ keys: group.slice(middle), at: 0 }, { keys: group.slice(0, middle), at: 0 });
      continue;
    }
    if (stages === pages.transform) pages.learn(reply);
    const wanted = await pages.withKeys(keySet(group), reply);
    // More documents with the last key of a reply may follow.
    const isPartial = pages.idsRepeat && !reply.exhausted;
    const found = isPartial ? wanted.slice(0, lastEnd(wanted, true) + 1) : wanted;
    refusals.hasPassed ||= found.length > 0;
    const missing = without(group, found);
    yield [...found, ...reply.exhausted ? missing.map(withoutDocument) : []];
    if (reply.exhausted) continue;
    // Without any wanted key, the reply was full of keys that are equal under the collation.
    if (found.length === 0) unnamed.push(...missing);
    else waiting.push({ keys: missing, at: 0 });
  }
  yield refusals.documents;
  if (unnamed.length === 0) return;
  const scanned = keySet(unnamed);
  const found = await pages.scan(stages, ({ id }) => scanned.has(keyText(id)));
  yield [...found, ...without(unnamed, found).map(withoutDocument)];
}

/** @returns the error if one of the documents may have caused it */
async function pageOf(
  pages: CollectionPages,
  keys: readonly Asked[],
  stages: readonly Document[],
): Promise<Page | MongoServerError> {
  const { idsRepeat, transform } = pages;
  const match = { $match: { _id: { $in: keys.map(({ name }) => name?.value) } } };
  try {
    return await pages.aggregate([match, ...idsRepeat ? [{ $sort: KEY }] : [], ...stages], {
      goesOn: (documents) => idsRepeat && lastEnd(documents, true) < 0,
    });
  } catch (error) {
    if (transform.length === 0 || !isTransformFailure(error)) throw error;
    return error;
  }
}

/** The end of a group of keys from `start` on that fits in a query, with at most `most` keys. */
function groupEnd(keys: readonly Asked[], start: number, most: number): number {
  let bytes = 0;
  let end = start;
  for (; end < keys.length && end - start < most; end++) {
    bytes += keys[end]?.id.length ?? 0;
    if (bytes > MAX_KEY_BYTES && end > start) break;
  }
  return end;
}

const keySet = (keys: readonly Asked[]): Set<string> => new Set(keys.map(({ key }) => key));

const withoutDocument = ({ id }: Asked): LookedUp => ({ id, document: null });

function without(keys: readonly Asked[], found: readonly KeyedDocument[]): Asked[] {
  const foundKeys = new Set(found.map(({ id }) => keyText(id)));
  return keys.filter(({ key }) => !foundKeys.has(key));
}

/** After this many documents with the same error, and none without it, documents at the ends of the collection are tried. */
const ALIKE = 10;
const OTHERS = 2;

/** Documents of one look-up that MongoDB could not transform. Decides whether they or the stages are the cause. */
class Refusals {
  readonly #refused: (readonly [Asked, MongoServerError])[] = [];
  /** Whether MongoDB could transform another document. */
  hasPassed = false;

  constructor(private readonly pages: CollectionPages) {}

  /** The refused documents; each becomes a dead letter. */
  get documents(): LookedUp[] {
    return this.#refused.map(([{ id }, error]) => ({ id, document: null, refusal: refusalOf(error) }));
  }

  /** @throws MongoServerError for invalid stages; UserError if they fail for each document that was tried */
  async add(key: Asked, error: MongoServerError): Promise<void> {
    this.#refused.push([key, error]);
    if (this.#refused.length === 1) await this.pages.checkStages();
    if (this.hasPassed || this.#refused.length < ALIKE) return;
    const isAlike = this.#refused.every(([, each]) => each.code === error.code);
    if (isAlike && !await this.#isAnotherFine()) {
      throw refusedByAll(namespaceText(this.pages.namespace), error);
    }
    this.hasPassed = true;
  }

  /** Whether MongoDB can transform a document at either end of the collection. */
  async #isAnotherFine(): Promise<boolean> {
    const but = this.#refused.map(([{ name }]) => name?.value);
    for (const order of [1, -1] as const) {
      const { documents } = await this.pages.outerKeys(order, OTHERS, but);
      for (const { id } of documents) {
        const key = asked(keyText(id), id);
        const reply = key.name && await pageOf(this.pages, [key], this.pages.transform);
        if (reply && !(reply instanceof MongoServerError)) return true;
      }
    }
    return false;
  }
}

function refusedByAll(collection: string, cause: MongoServerError): UserError {
  const name = codeText(cause);
  return new UserError(
    `MongoDB cannot apply the filter and the pipeline to any document of ${collection} that was tried: ${name}`,
    {
      hint:
        "So the stages are the cause, not a document. MongoDB's message is omitted because it may quote values: to see " +
        "it, run the stages in mongosh with db.getCollection(…).aggregate([…]).",
      cause,
    },
  );
}

/** Omits MongoDB's message, which may contain values that the pipeline removes. */
const refusalOf = (error: MongoServerError): string =>
  `MongoDB cannot transform this document (${codeText(error)}). The dead letter does not include it: ` +
  "correct the document or the pipeline, and start the relay with --snapshot always.";
