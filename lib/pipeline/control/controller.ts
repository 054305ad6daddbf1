/**
 * Executes the requests of the control table, each exactly once and in order. It lives as long as the lease, also while the
 * stream is paused. Nothing of the loop waits for it.
 *
 * A request is `running` before it begins, and has its end only when it was executed. So one that a killed relay has begun is
 * found by the next one, which runs it again.
 */
import type { ControlRequest, ControlRequests, RequestState } from "../../sink/metadata/control_requests.ts";
import type { Clock } from "../../util/clock.ts";
import { messageOf, UserError } from "../../util/errors.ts";
import { firstLine } from "../../util/text.ts";
import type { Logger } from "../../util/log.ts";
import { partsOfStream } from "../../key/stream_name.ts";
import type { Emit } from "../status/events.ts";
import { endOfParts, hasEnded, partsOfRequest, type Step, stepsOf, wholeOfRequest } from "./request_order.ts";
import { CancelledError, type ControlledStream, RefusedError, type Run, type Verbs } from "./verb.ts";
import { verbOf } from "./verb_arguments.ts";

export interface ControllerDeps {
  readonly requests: Pick<ControlRequests, "names" | "add" | "open" | "save" | "find" | "show">;
  readonly verbs: Verbs;
  /** The stream as one request steers it, until its signal is aborted. */
  readonly streamFor: (signal: AbortSignal) => ControlledStream;
  readonly stream: string;
  /** Counts the streams in the schema, each with all its workers. */
  readonly countStreams: () => Promise<number>;
  readonly emit: Emit;
  readonly log: Logger;
  readonly clock: Pick<Clock, "wait">;
  /** Ends the relay. Requests that run then stay `running`, for the next relay. */
  readonly signal: AbortSignal;
}

const POLL_INTERVAL_MS = 1_000;

interface Running {
  readonly request: ControlRequest;
  readonly cancel: AbortController;
  readonly done: Promise<void>;
  progress: string | null;
  savedProgress: string | null;
}

export class Controller {
  readonly #deps: ControllerDeps;
  readonly #verbs: Verbs;
  readonly #running = new Map<string, Running>();
  readonly #begun = Promise.withResolvers<void>();
  /** Requests that have ended, and may still look open to a query. */
  readonly #ended = new Set<string>();

  constructor(deps: ControllerDeps) {
    this.#deps = deps;
    this.#verbs = {
      ...deps.verbs,
      cancel: verbOf("cancel", "immediate", ({ id }) => () => this.#cancel(id)),
    };
  }

  /** Resolved after the first look at the table: the requests that a killed relay has begun run. */
  get begun(): Promise<void> {
    return this.#begun.promise;
  }

  /** Polls the table once a second, until the signal is aborted. */
  async run(): Promise<void> {
    const { clock, log, signal, requests } = this.#deps;
    let isFirst = true;
    let isFailing = false;
    while (!signal.aborted) {
      try {
        // A killed relay may have ended requests since the last refresh.
        if (isFirst) await requests.show();
        isFirst = false;
        await this.poll();
        isFailing = false;
      } catch (error) {
        if (signal.aborted) break;
        if (!isFailing) {
          log.warn("The control table cannot be used: requests wait", { error: messageOf(error) });
        }
        isFailing = true;
      }
      this.#begun.resolve();
      await clock.wait(POLL_INTERVAL_MS, { signal }).catch(() => {});
    }
    await Promise.all([...this.#running.values()].map(({ done }) => done));
  }

  /** Begins the requests that wait. Resolves when the immediate ones have ended. */
  async poll(): Promise<void> {
    const { requests, stream, countStreams } = this.#deps;
    const open = await requests.open();
    const ids = new Set(open.map(({ id }) => id));
    for (const id of this.#ended) if (!ids.has(id)) this.#ended.delete(id);
    await this.#saveProgress();
    const streams = open.some((each) => each.stream === null) ? await countStreams() : 1;
    const isTaken = (id: string) => this.#running.has(id) || this.#ended.has(id);
    for (const step of stepsOf(open, { stream, streams, isTaken })) {
      // A `cancel` before it may have ended it.
      if (!isTaken(step.request.id)) await this.#take(step);
    }
  }

  /** Resolves when the running requests of a verb have ended, and their ends are saved. */
  async settled(verb: string): Promise<void> {
    const running = [...this.#running.values()].filter(({ request }) => request.verb === verb);
    await Promise.all(running.map(({ done }) => done));
  }

  async #take(step: Step): Promise<void> {
    const { request } = step;
    if (step.kind === "end") return await this.#end(request, step.state, step.why);
    if (step.kind === "divide") return await this.#divide(request);
    const verb = Object.hasOwn(this.#verbs, request.verb) ? this.#verbs[request.verb] : undefined;
    let run: Run;
    try {
      if (!verb) {
        throw new RefusedError(`Unknown verb: ${request.verb}.`, {
          hint: `Verbs: ${Object.keys(this.#verbs).sort().join(", ")}.`,
        });
      }
      if (request.fault) throw new RefusedError(`Not executed: ${request.fault}`);
      run = verb.read(request.arguments);
    } catch (error) {
      return await this.#fail(request, error);
    }
    const started = { ...request, stream: this.#deps.stream, state: "running" as const };
    if (!step.isResumed) {
      // Somebody may have ended or deleted it by hand while earlier ones were executed.
      const present = await this.#deps.requests.find(request.id);
      if (present?.state !== "asked") return;
      await this.#deps.requests.save(request.id, { stream: started.stream, state: "running", starts: true });
      this.#deps.emit({ type: "requestChanged", request: started });
    }
    const done = this.#start(started, run, step.isResumed);
    if (verb.kind === "immediate") await done;
  }

  #start(request: ControlRequest, run: Run, isResumed: boolean): Promise<void> {
    const cancel = new AbortController();
    const signal = AbortSignal.any([this.#deps.signal, cancel.signal]);
    const done = Promise.withResolvers<void>();
    const running: Running = { request, cancel, done: done.promise, progress: null, savedProgress: null };
    this.#running.set(request.id, running);
    const progress = (text: string) => running.progress = text;
    const stream = this.#deps.streamFor(signal);
    const execute = async () => {
      let message: string;
      try {
        message = await run({ request, isResumed, stream, progress, signal });
      } catch (error) {
        if (this.#deps.signal.aborted) return;
        if (!cancel.signal.aborted) return await this.#fail(request, error);
        return await this.#end(request, "cancelled", "It was cancelled.");
      }
      await this.#end(request, "done", message);
    };
    // If its end cannot be saved, the next poll finds it `running`, and runs it again.
    execute()
      .catch((error) =>
        this.#deps.log.warn("The end of a request may not be saved", { error: messageOf(error) })
      )
      .finally(() => {
        this.#running.delete(request.id);
        done.resolve();
      });
    return done.promise;
  }

  async #saveProgress(): Promise<void> {
    for (const each of this.#running.values()) {
      const { request, progress, savedProgress } = each;
      if (progress === savedProgress) continue;
      each.savedProgress = progress;
      await this.#deps.requests.save(request.id, { progress });
    }
  }

  #fail(request: ControlRequest, error: unknown): Promise<void> {
    const hint = error instanceof UserError && error.hint ? ` ${error.hint}` : "";
    return this.#end(request, error instanceof RefusedError ? "refused" : "failed", messageOf(error) + hint);
  }

  async #end(request: ControlRequest, state: RequestState, message: string): Promise<void> {
    const { requests, stream, emit, log } = this.#deps;
    await requests.save(request.id, { stream, state, message, ends: true });
    this.#ended.add(request.id);
    const { verb, id, askedBy } = request;
    const text = firstLine(message);
    const fields = { verb, id, state, message: text, asked_by: askedBy };
    log[state === "failed" ? "warn" : "info"]("A request has ended", fields);
    emit({ type: "requestChanged", request: { ...request, state, message: text } });
    await requests.show();
    const whole = wholeOfRequest(id);
    if (whole !== undefined) await this.#gather(whole);
  }

  /** Also after a crash between its steps: parts that exist are not added again. */
  async #divide(request: ControlRequest): Promise<void> {
    const { requests, stream } = this.#deps;
    if (request.state === "running") return await this.#gather(request.id);
    const { verb, arguments: given, askedBy, expiresAt } = request;
    for (const part of partsOfRequest(request.id, stream)) {
      await requests.add({ ...part, verb, arguments: given, askedBy, expiresAt });
    }
    await requests.save(request.id, { state: "running", starts: true });
  }

  /** Ends a request whose parts have ended. The worker that ends the last part does that, or else worker 0. */
  async #gather(id: string): Promise<void> {
    const { requests, stream } = this.#deps;
    const whole = await requests.find(id);
    if (!whole || hasEnded(whole)) return;
    const end = endOfParts(
      await Promise.all(partsOfRequest(id, stream).map((part) => requests.find(part.id))),
    );
    if (!end) return;
    await requests.save(id, { ...end, ends: true });
    await requests.show();
  }

  async #cancel(named: string): Promise<string> {
    const { requests, stream } = this.#deps;
    const own = partsOfRequest(named, stream).find((part) => part.stream === stream)?.id ?? named;
    const request = await requests.find(own) ?? await requests.find(named);
    const names = [null, partsOfStream(stream).whole, ...requests.names];
    if (!request || !names.includes(request.stream)) {
      throw new RefusedError(`No request to this stream has this id: ${named}`);
    }
    // It may be this one, which would wait for itself.
    if (request.verb === "cancel") throw new RefusedError(`A cancel cannot be cancelled: ${named}`);
    const running = this.#running.get(request.id);
    if (running) {
      running.cancel.abort(new CancelledError("It was cancelled"));
      await running.done;
    } else if (!hasEnded(request)) await this.#end(request, "cancelled", "It was cancelled.");
    const { state = "cancelled" } = await requests.find(request.id) ?? {};
    if (state === "cancelled") return `Cancelled: ${request.verb} ${named}`;
    throw new RefusedError(`The request has ended already, as ${state}: ${request.verb} ${named}`);
  }
}
