/** What the page shows that only CrateDB has, over separate connections, so that nothing delays the streams. */
import type { Control } from "../monitor/control_route.ts";
import type { FollowedStream } from "../pipeline/status/events.ts";
import { openTransport } from "../sink/connection/open_transport.ts";
import type { Transport } from "../sink/connection/transport.ts";
import type { SinkAddress } from "../sink/connection/url.ts";
import { ControlRequests } from "../sink/metadata/control_requests.ts";
import type { CollectionStatus } from "../sink/metadata/status_view.ts";
import { collectionsIn } from "../status/stream_status.ts";
import type { Clock } from "../util/clock.ts";

const INTERVAL_MS = 5_000;

interface Schema {
  /** By stream. */
  collections: ReadonlyMap<string, readonly CollectionStatus[]>;
  askedAt: number;
  isAsked: boolean;
}

export class PageSource implements AsyncDisposable {
  readonly #transports = new Map<string, Promise<Transport>>();
  readonly #schemas = new Map<string, Schema>();

  /** @param sinkOf the CrateDB of a stream, by its name in the file */
  constructor(
    readonly sinkOf: (name: string) => SinkAddress,
    readonly clock: Pick<Clock, "monotonic">,
    readonly open: (sink: SinkAddress) => Promise<Transport> = openTransport,
  ) {}

  /** What was read last, at once. Reads again in the background, at most every five seconds and only when asked. */
  readonly stored = ({ schema, stream }: FollowedStream, name: string): readonly CollectionStatus[] => {
    const sink = this.sinkOf(name);
    const key = JSON.stringify([schema, sink]);
    const known = this.#schemas.get(key) ?? { collections: new Map(), askedAt: -Infinity, isAsked: false };
    this.#schemas.set(key, known);
    if (!known.isAsked && this.clock.monotonic() - known.askedAt >= INTERVAL_MS) {
      known.askedAt = this.clock.monotonic();
      known.isAsked = true;
      this.#transport(sink).then((transport) => collectionsIn(transport, schema))
        .then((found) => known.collections = found, () => {}) // The stream reports an outage.
        .finally(() => known.isAsked = false);
    }
    return known.collections.get(stream) ?? [];
  };

  /** Adds a request to the control table of a stream. */
  readonly ask: Control["ask"] = async (request, { name, followed }) => {
    const requests = new ControlRequests(await this.#transport(this.sinkOf(name)), followed);
    return (await requests.add(request)).id;
  };

  #transport(sink: SinkAddress): Promise<Transport> {
    const key = JSON.stringify(sink);
    const opened = this.#transports.get(key) ?? this.open(sink);
    this.#transports.set(key, opened);
    opened.catch(() => this.#transports.delete(key));
    return opened;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = this.#transports.values().map(async (opened) =>
      await (await opened)[Symbol.asyncDispose]()
    );
    await Promise.allSettled(closed);
  }
}
