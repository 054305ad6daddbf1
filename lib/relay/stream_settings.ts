/** The settings of a stream, which a reload replaces while the stream runs. */
import type { Outdated } from "../pipeline/loop/startup.ts";
import type { RelaySettings } from "../pipeline/settings.ts";
import type { Namespace } from "../util/namespace.ts";

/** What a stream is started with. */
export interface Configured {
  readonly settings: RelaySettings;
  /** The settings of a collection on which the content of its rows depends, as a text. @default {they never change} */
  readonly contentOf?: (namespace: Namespace) => string;
}

/** The reason of a stop after which the stream goes on with other settings. */
class Replaced extends Error {
  override readonly name = "Replaced";
}

/**
 * Rows stay outdated until a snapshot is planned for them, however often the settings are replaced before, and also if the
 * stream is not running meanwhile.
 */
export class StreamSettings implements Outdated {
  #current: Configured;
  /** Those that the rows were written with, or will be by a planned snapshot. */
  #planned: Configured;
  #replacing = new AbortController();
  /** Whether its snapshot has begun, or was not needed. */
  hasBegun = false;

  constructor(first: Configured) {
    this.#current = first;
    this.#planned = first;
  }

  get current(): RelaySettings {
    return this.#current.settings;
  }

  /** Aborted when the current settings are replaced. */
  get replaced(): AbortSignal {
    return this.#replacing.signal;
  }

  replace(next: Configured): void {
    const replacing = this.#replacing;
    this.#current = next;
    this.#replacing = new AbortController();
    replacing.abort(new Replaced("The settings were replaced"));
  }

  includes(namespace: Namespace): boolean {
    return this.#planned.contentOf?.(namespace) !== this.#current.contentOf?.(namespace);
  }

  planned(): void {
    this.#planned = this.#current;
  }
}
