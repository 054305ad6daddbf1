/**
 * Executes the requests of the control table, each exactly once and in order. It lives as long as the lease, also while the
 * stream is paused.
 */
import type { ControlRequests } from "../../sink/metadata/control_requests.ts";
import type { ControlledStream, Verb } from "./verb.ts";

/** The verbs by name. Those that need more than the pipeline are added by who runs the stream. */
export type Verbs = Readonly<Record<string, Verb>>;

export interface ControllerDeps {
  readonly requests: Pick<ControlRequests, "add" | "open" | "save" | "find" | "show">;
  readonly verbs: Verbs;
  readonly stream: ControlledStream;
  readonly signal: AbortSignal;
}

export class Controller {
  readonly #deps: ControllerDeps;

  constructor(deps: ControllerDeps) {
    this.#deps = deps;
  }

  /** Polls the table once a second at most, until the signal is aborted. */
  run(): Promise<void> {
    return Promise.reject(new Error(`not built: ${Object.keys(this.#deps.verbs)}`));
  }
}
