/** Reads the control table of a stream, as long as this process has the lease. */
import { partsOfStream } from "../key/stream_name.ts";
import { Controller, type ControllerDeps } from "../pipeline/control/controller.ts";
import { lettersVerb } from "../pipeline/control/letters_verb.ts";
import { OWN_VERBS } from "../pipeline/control/own_verbs.ts";
import { repairVerb } from "../pipeline/control/repair_verb.ts";
import { snapshotVerb } from "../pipeline/control/snapshot_verb.ts";
import { Steering, type SteeringDeps } from "../pipeline/control/steering.ts";
import type { BetweenTerms, Verbs } from "../pipeline/control/verb.ts";
import type { CountingTransport } from "../sink/connection/lost_writes.ts";
import { fenced, retrying } from "../sink/connection/wrappers.ts";
import { ControlRequests } from "../sink/metadata/control_requests.ts";
import { readPositions } from "../sink/metadata/saved_position.ts";
import type { StreamPosition } from "../sink/metadata/stream_position.ts";
import { operationTimeOf } from "../source/connection/cluster_time.ts";
import type { Clock } from "../util/clock.ts";
import { unlessAborted } from "../util/concurrency.ts";
import type { Connections } from "./connect.ts";
import type { StreamSettings } from "./stream_settings.ts";

interface StreamControlDeps
  extends
    Pick<ControllerDeps, "emit" | "log" | "signal">,
    Pick<Connections, "route" | "mongodbClock">,
    Pick<SteeringDeps, "names" | "oplog"> {
  readonly raw: CountingTransport;
  readonly retries: Parameters<typeof retrying>[1];
  readonly clock: Clock;
  readonly settings: StreamSettings;
  readonly position: StreamPosition;
  /** The name of the stream in the file. */
  readonly name?: string | undefined;
  readonly verbs?: Verbs | undefined;
}

export interface StreamControl extends AsyncDisposable {
  readonly steering: Steering;
  /** Resolves when the requests that a killed relay has begun go on, or the term ends. Call it before the first term. */
  begun(term: AbortSignal): Promise<void>;
  /** Call it between two terms. Resolves when the next one may begin, or the stream ends. */
  betweenTerms(): Promise<void>;
  /** Call it when the last term has ended in order. Resolves when the end of the request to stop is saved. */
  stopped(): Promise<void>;
}

export function openControl(deps: StreamControlDeps): StreamControl {
  const { raw, retries, settings, position, names, name, verbs, route } = deps;
  const over = new AbortController();
  const signal = AbortSignal.any([deps.signal, over.signal]);
  const checked = fenced(raw, () => position.check(), raw);
  const transport = retrying(checked, retries);
  const steering = new Steering({
    ...deps,
    transport,
    settings: () => settings.current.settings,
    replace: (change) =>
      settings.current = { ...settings.current, settings: { ...settings.current.settings, ...change } },
    endTerm: () => settings.replace(settings.current),
    timeNow: () => operationTimeOf(route),
  });
  const controller = new Controller({
    ...deps,
    signal,
    requests: new ControlRequests(transport, names, aliasesOf(names.stream, name)),
    verbs: { ...OWN_VERBS, snapshot: snapshotVerb, letters: lettersVerb, repair: repairVerb, ...verbs },
    streamFor: (signal) => steering.streamFor(signal),
    stream: names.stream,
    countStreams: async () => {
      const tables = [{ schema: names.schema, name: "cdc_position" }];
      const positions = await readPositions(transport, { tables, stream: undefined });
      return new Set(positions.map(({ stream }) => partsOfStream(stream).whole)).size;
    },
  });
  const running = controller.run();
  return {
    steering,
    begun: (term) => unlessAborted(controller.begun, term).catch(() => {}),
    betweenTerms() {
      const parts: BetweenTerms = {
        settings: settings.current.settings,
        raw: checked,
        patient: transport,
        signal,
      };
      return steering.runApart(parts);
    },
    async stopped() {
      steering.stopped();
      await controller.settled("stop");
    },
    async [Symbol.asyncDispose]() {
      over.abort();
      await running;
    },
  };
}

/** Worker 0 also takes the requests to all workers, and hands them on. */
function aliasesOf(stream: string, name: string | undefined): readonly string[] {
  const { whole, part } = partsOfStream(stream);
  if (part && part.index > 0) return [];
  return [...part ? [whole] : [], ...name ? [name] : []];
}
