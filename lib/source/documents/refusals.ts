/** Documents that MongoDB could not transform: whether they are to blame, or the filter and the stages. */
import type { MongoServerError } from "mongodb";
import type { BsonValue } from "../../bson/bson.ts";
import { UserError } from "../../util/errors.ts";
import type { LookedUp } from "./chunk.ts";

/** A key to look up. `name` is its literal in a query, if it has one. */
export interface Asked {
  readonly key: string;
  readonly id: BsonValue;
  readonly name: { readonly value: unknown } | undefined;
}

export interface RefusalsOptions {
  /** Throws MongoDB's error if the stages are invalid. */
  readonly check: () => Promise<void>;
  /** Whether MongoDB can transform some document with another key than these. */
  readonly areOthersFine: (keys: readonly unknown[]) => Promise<boolean>;
  /** For messages. */
  readonly collection: string;
}

/** So many documents with the same error, and none without it, are a reason to look at others. */
const ALIKE = 10;

/** What was refused in one look-up. */
export class Refusals {
  readonly #options: RefusalsOptions;
  readonly #refused: (readonly [Asked, MongoServerError])[] = [];
  /** Whether the documents are to blame. */
  #isOfDocuments = false;

  constructor(options: RefusalsOptions) {
    this.#options = options;
  }

  /** The documents that were refused; each becomes a dead letter. */
  get documents(): LookedUp[] {
    return this.#refused.map(([asked, error]) => refused(asked, error));
  }

  /** MongoDB has transformed another document. */
  passed(): void {
    this.#isOfDocuments = true;
  }

  /**
   * @throws MongoServerError for invalid stages; UserError when MongoDB can apply them to no document that was tried
   */
  async add(asked: Asked, error: MongoServerError): Promise<void> {
    this.#refused.push([asked, error]);
    if (this.#refused.length === 1) await this.#options.check();
    if (this.#isOfDocuments || this.#refused.length < ALIKE) return;
    const isAlike = this.#refused.every(([, each]) => each.code === error.code);
    const keys = this.#refused.map(([{ name }]) => name?.value);
    if (isAlike && !await this.#options.areOthersFine(keys)) throw this.#ofAll(error);
    this.#isOfDocuments = true;
  }

  #ofAll(error: MongoServerError): UserError {
    const { collection } = this.#options;
    const name = nameOf(error);
    return new UserError(
      `MongoDB can apply the filter and the pipeline to no document of ${collection} that was tried: ${name}`,
      {
        hint:
          "So it is not the fault of a document. MongoDB's message is left out, as it may quote values: to see it, " +
          "run the stages in mongosh with db.getCollection(…).aggregate([…]).",
        cause: error,
      },
    );
  }
}

const nameOf = ({ code, codeName }: MongoServerError): string => `${codeName ?? "error"}, code ${code}`;

/** Leaves MongoDB's message out: it may quote values that the pipeline removes. */
const refused = ({ id }: Asked, error: MongoServerError): LookedUp => ({
  id,
  document: null,
  refusal: `MongoDB cannot transform this document (${nameOf(error)}). The letter is without it: ` +
    "mend the document, or the pipeline, and start the relay with --snapshot always.",
});
