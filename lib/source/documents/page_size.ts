/** How many documents to ask for, so that a reply has about so many bytes, whatever the documents are like. */

/** While it is not known how large documents are. A reply of MongoDB has 16 MB at most. */
const FIRST_DOCUMENTS = 100;
const REPLY_BYTES = 4 * 2 ** 20;

/**
 * @example
 * IN: {bytes: 4 MiB}, after 100 documents of 40 kB each → OUT: 104 documents
 */
export class PageSize {
  readonly #bytes: number;
  /** Bytes of a document lately; undefined before the first one. */
  #average: number | undefined;

  /** @param bytes that a reply should have at most */
  constructor(bytes = REPLY_BYTES) {
    this.#bytes = bytes;
  }

  get documents(): number {
    if (this.#average === undefined) return FIRST_DOCUMENTS;
    return Math.max(1, Math.floor(this.#bytes / this.#average));
  }

  /** Learns from a reply. Larger documents count at once, smaller ones by and by. */
  read(documents: number, bytes: number): void {
    if (documents === 0) return;
    const average = Math.max(1, bytes / documents);
    this.#average = Math.max(average, (average + (this.#average ?? average)) / 2);
  }
}
