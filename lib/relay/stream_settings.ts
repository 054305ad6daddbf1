/** The settings of a stream, which a reload replaces while the stream runs. */
import type { RelaySettings } from "../pipeline/settings.ts";
import type { Namespace } from "../util/namespace.ts";

export interface Configured {
  readonly settings: RelaySettings;
  /** @default {the settings are not saved, and no rows are outdated} */
  readonly content?: Content;
}

/** The settings as they are saved, to find out later what has changed. */
export interface Content {
  readonly text: string;
  /** Whether the rows of a collection have other content than with the settings that were saved before. */
  readonly isOutdated: (before: string) => (namespace: Namespace) => boolean;
  /** Names and patterns below `collections` that match none of these. */
  readonly unmatched: (found: readonly Namespace[]) => readonly string[];
}

export class StreamSettings {
  #replacing = new AbortController();
  /** The last settings that MongoDB has accepted. */
  proven: Configured | undefined;

  constructor(public current: Configured) {}

  /** Aborted when the current settings are replaced. */
  get replaced(): AbortSignal {
    return this.#replacing.signal;
  }

  replace(next: Configured): void {
    const before = this.#replacing;
    this.current = next;
    this.#replacing = new AbortController();
    before.abort(new Error("The settings were replaced"));
  }
}
