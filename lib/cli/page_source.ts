/** What the page shows that only CrateDB has, over separate connections, so that nothing delays the streams. */
import type { FollowedStream } from "../pipeline/status/events.ts";
import { openTransport } from "../sink/connection/open_transport.ts";
import type { Transport } from "../sink/connection/transport.ts";
import type { SinkAddress } from "../sink/connection/url.ts";
import type { Control } from "../monitor/control_route.ts";
import { ControlRequests } from "../sink/metadata/control_requests.ts";
import type { CollectionStatus } from "../sink/metadata/status_view.ts";
import { collectionsIn } from "../status/stream_status.ts";
import type { Clock } from "../util/clock.ts";

const INTERVAL_MS = 5_000;

/** By stream and collection. */
type Stored = ReadonlyMap<string, ReadonlyMap<string, CollectionStatus>>;

export class PageSource implements AsyncDisposable {
  readonly #sinkOf: (name: string) => SinkAddress;
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #transports = new Map<string, Promise<Transport>>();
  readonly #schemas = new Map<string, { stored: Stored; readAt: number }>();

  /** @param sinkOf the CrateDB of a stream, by its name in the file */
  constructor(sinkOf: (name: string) => SinkAddress, clock: Pick<Clock, "monotonic">) {
    this.#sinkOf = sinkOf;
    this.#clock = clock;
  }

  /** What was read last, at once. Reads again in the background, at most every five seconds and only when asked. */
  readonly stored = ({ schema, stream }: FollowedStream, name: string) => {
    const sink = this.#sinkOf(name);
    const key = JSON.stringify([schema, sink]);
    const known = this.#schemas.get(key) ?? { stored: new Map(), readAt: -Infinity };
    this.#schemas.set(key, known);
    if (this.#clock.monotonic() - known.readAt >= INTERVAL_MS) {
      known.readAt = this.#clock.monotonic();
      this.#read(sink, schema).then((stored) => known.stored = stored, () => {}); // The stream reports an outage.
    }
    return known.stored.get(stream) ?? new Map<string, CollectionStatus>();
  };

  /** Adds a request to the control table of a stream. */
  readonly ask: Control["ask"] = async (request, { name, followed }) => {
    const requests = new ControlRequests(await this.transport(this.#sinkOf(name)), followed);
    return (await requests.add(request)).id;
  };

  async #read(sink: SinkAddress, schema: string): Promise<Stored> {
    const found = await collectionsIn(await this.transport(sink), schema);
    const byName = (all: readonly CollectionStatus[]) => new Map(all.map((each) => [each.collection, each]));
    return new Map([...found].map(([stream, collections]) => [stream, byName(collections)]));
  }

  transport(sink: SinkAddress): Promise<Transport> {
    const key = JSON.stringify(sink);
    const opened = this.#transports.get(key) ?? openTransport(sink);
    this.#transports.set(key, opened);
    opened.catch(() => this.#transports.delete(key));
    return opened;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const opened of this.#transports.values()) {
      await opened.then((transport) => transport[Symbol.asyncDispose](), () => {});
    }
  }
}
