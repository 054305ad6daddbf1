/** What a change stream is opened with that not every server takes. Only trying tells: a version says little. */
import { isRefusal } from "./mongodb_errors.ts";

export interface StreamFeatures {
  /** `$changeStreamSplitLargeEvent`: delivers events over 16 MB. */
  readonly splitsLargeEvents: boolean;
  /** `showExpandedEvents`: also tells of new collections. */
  readonly expandedEvents: boolean;
}

/** The options and stages by which MongoDB knows them. */
const NAMES: Readonly<Record<keyof StreamFeatures, string>> = {
  splitsLargeEvents: "$changeStreamSplitLargeEvent",
  expandedEvents: "showExpandedEvents",
};

/** What is tried, in turn. */
const CHOICES: readonly StreamFeatures[] = [
  { splitsLargeEvents: true, expandedEvents: true },
  { splitsLargeEvents: false, expandedEvents: true },
  { splitsLargeEvents: true, expandedEvents: false },
  { splitsLargeEvents: false, expandedEvents: false },
];

/** Remembers what a deployment takes. */
export class FeatureTrial {
  readonly #onRefused: (names: readonly string[]) => void;
  #choices = CHOICES;

  /** @param onRefused is told what the deployment refuses, as soon as the stream opens without it */
  constructor(onRefused: (names: readonly string[]) => void) {
    this.#onRefused = onRefused;
  }

  /**
   * Opens a stream with as much as the deployment takes.
   *
   * @throws MongoError what opening throws also without any feature, or what has nothing to do with features
   */
  async open<T>(open: (features: StreamFeatures) => Promise<T>): Promise<T> {
    let refusal: unknown;
    for (const [at, features] of this.#choices.entries()) {
      try {
        const opened = await open(features);
        if (at > 0) this.#settle(at, features);
        return opened;
      } catch (error) {
        if (!isRefusal(error)) throw error;
        refusal = error;
      }
    }
    throw refusal;
  }

  #settle(at: number, features: StreamFeatures): void {
    this.#choices = this.#choices.slice(at);
    const refused = Object.entries(NAMES).filter(([name]) => !features[name as keyof StreamFeatures]);
    this.#onRefused(refused.map(([, name]) => name));
  }
}
