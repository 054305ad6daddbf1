/** Which requests begin, and in which order. Pure. */
import { partsOfStream, siblingsOf } from "../../key/stream_name.ts";
import type { ControlRequest, RequestState } from "../../sink/metadata/control_requests.ts";

export type Step =
  | { readonly kind: "begin"; readonly request: ControlRequest; readonly isResumed: boolean }
  | {
    readonly kind: "end";
    readonly request: ControlRequest;
    readonly state: "expired" | "refused";
    readonly why: string;
  }
  /** A request to all workers of a stream becomes one to each of them. */
  | { readonly kind: "divide"; readonly request: ControlRequest };

export interface OrderContext {
  /** The relay's stream, of one worker if it has several. */
  readonly stream: string;
  /** Streams in the schema, each with all its workers. */
  readonly streams: number;
  /** Whether this process has begun the request; it may have ended it since. */
  readonly isTaken: (id: string) => boolean;
}

/**
 * What to do with the requests that have not ended, in this order. `cancel` overtakes the others, so that it reaches a request
 * before that begins.
 *
 * @example
 * IN: [pause (asked), snapshot (running, not of this process)] → OUT: [begin pause, begin snapshot (resumed)]
 */
export function stepsOf(open: readonly ControlRequest[], context: OrderContext): Step[] {
  const { part } = partsOfStream(context.stream);
  const waiting = open.filter(({ id, stream }) =>
    !context.isTaken(id) && !(stream === null && part !== undefined && part.index > 0)
  );
  const [first, others] = [true, false].map((isCancel) =>
    waiting.filter(({ verb }) => (verb === "cancel") === isCancel)
  );
  return [...first ?? [], ...others ?? []].map((request): Step => {
    const { state, stream, isExpired } = request;
    const isResumed = state === "running";
    if (isExpired && !isResumed) {
      return { kind: "end", request, state: "expired", why: "No relay has begun it in time." };
    }
    if (stream === null && context.streams > 1) {
      const why =
        `It names no stream, and ${context.streams} streams exist: see SELECT stream FROM cdc_status.`;
      return { kind: "end", request, state: "refused", why };
    }
    if (part && stream !== context.stream) return { kind: "divide", request };
    return { kind: "begin", request, isResumed };
  });
}

/** The requests to each worker. @example IN: "a", … (worker 0/2) → OUT: [{id: "a 0/2", …}, {id: "a 1/2", …}] */
export const partsOfRequest = (id: string, stream: string) =>
  siblingsOf(stream).map((each) => {
    const { index = 0, count = 1 } = partsOfStream(each).part ?? {};
    return { id: `${id} ${index}/${count}`, stream: each };
  });

/** The request of which this one is a part; undefined for a whole one. @example IN: "a 0/2" → OUT: "a" */
export const wholeOfRequest = (id: string): string | undefined =>
  / \d+\/\d+$/.test(id) ? id.replace(/ \S+$/, "") : undefined;

export const hasEnded = ({ state }: Pick<ControlRequest, "state">): boolean =>
  state !== "asked" && state !== "running";

/** Of a worker that does not run. */
const EXPIRED = { state: "expired", message: "A worker has not begun it in time." } as const;

/** From the best to the worst. */
const ENDS: readonly RequestState[] = ["done", "cancelled", "expired", "refused", "failed"];

/** The end of a request whose parts have ended or expired; undefined while one has not. Parts with one message show it once. */
export function endOfParts(
  found: readonly (Pick<ControlRequest, "state" | "message" | "isExpired"> | undefined)[],
): { readonly state: RequestState; readonly message: string } | undefined {
  const parts = found.map((each) => each?.state === "asked" && each.isExpired ? EXPIRED : each);
  if (!parts.every((each) => each && hasEnded(each))) return undefined;
  const worst = Math.max(...parts.map((each) => ENDS.indexOf(each?.state ?? "failed")));
  const messages = new Set(parts.map((each) => each?.message ?? ""));
  return { state: ENDS[worst] ?? "failed", message: [...messages].filter(Boolean).join(" ") };
}
