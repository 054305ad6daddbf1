/** `ctl`: adds requests to the control table, from any machine that reaches CrateDB. */
import { openTransport } from "../sink/connection/open_transport.ts";
import type { SinkAddress } from "../sink/connection/url.ts";
import { type ControlRequest, ControlRequests } from "../sink/metadata/control_requests.ts";
import { prepareTable } from "../sink/metadata/metadata_tables.ts";
import { readPositions, savedName } from "../sink/metadata/saved_position.ts";
import { knownStreams, wholeStreams } from "../sink/metadata/stream_records.ts";
import type { StreamName } from "../sink/metadata/stream_rows.ts";
import type { Transport } from "../sink/connection/transport.ts";
import type { Clock } from "../util/clock.ts";
import { UsageError } from "../util/errors.ts";
import { viewerOf } from "./absence.ts";
import { chooseStreams } from "./forget.ts";

export interface CtlSettings {
  readonly sink: SinkAddress;
  /** The name of the stream, or of one in the tables; undefined for the only stream of the default schema. */
  readonly stream: string | undefined;
  /** The stream and the schema of its tables by the settings of a relay, in the default schema. @default {none} */
  readonly namesIn?: ((schema: string) => StreamName) | undefined;
}

export interface Asked {
  readonly request: ControlRequest;
  /** Whether a relay follows the stream, so that it reads the request. */
  readonly isFollowed: boolean;
}

const POLL_INTERVAL_MS = 200;

/** Adds a request, and waits for its end for `timeout` milliseconds if `onAsked` returns true. */
export async function ask(
  settings: CtlSettings,
  { verb, arguments: given, expires, timeout }: Pick<ControlRequest, "verb" | "arguments"> & {
    /** Milliseconds from now. */
    readonly expires: number;
    readonly timeout: number;
  },
  { clock, signal, onAsked }: {
    readonly clock: Clock;
    readonly signal: AbortSignal;
    readonly onAsked: (asked: Asked) => boolean;
  },
): Promise<Asked> {
  await using transport = await openTransport(settings.sink);
  const { schema, stream } = await namesOf(transport, settings);
  const requests = await requestsOf(transport, { schema, stream });
  const { rows: [row] } = await transport.query("SELECT CURRENT_USER");
  const until = clock.monotonic() + timeout;
  let request = await requests.add({
    verb,
    arguments: given,
    askedBy: String(row?.[0] ?? ""),
    expiresIn: expires,
  });
  const tables = [{ schema, name: "cdc_position" }];
  const isFollowed = (await readPositions(transport, { tables, stream })).some(({ isHeld }) => isHeld);
  const waits = onAsked({ request, isFollowed });
  while (waits && request.endedAt === null && clock.monotonic() < until) {
    await clock.wait(POLL_INTERVAL_MS, { signal });
    request = await requests.find(request.id) ?? request;
  }
  return { request, isFollowed };
}

/** The newest requests first. */
export async function listRequests(settings: CtlSettings, limit: number): Promise<readonly ControlRequest[]> {
  await using transport = await openTransport(settings.sink);
  return await (await requestsOf(transport, await namesOf(transport, settings))).list(limit);
}

async function requestsOf(transport: Transport, names: StreamName): Promise<ControlRequests> {
  await prepareTable(transport, names.schema, "cdc_control");
  return new ControlRequests(transport, names);
}

/** The only stream of another schema may be somebody else's. */
const streamElsewhere = (schema: string, all: readonly StreamName[]): UsageError =>
  new UsageError(`No stream has its tables in the schema ${schema}.`, {
    hint: [
      "Name one with --stream, or its schema in the URL. These exist:",
      ...wholeStreams(all).map((each) => `  ${each}`),
    ].join("\n"),
  });

/** @throws UsageError if none or several streams have the name */
async function namesOf(
  transport: Transport,
  { sink, stream: name, namesIn }: CtlSettings,
): Promise<StreamName> {
  const schema = transport.dialect.schema ?? sink.schema;
  if (namesIn) {
    const names = namesIn(schema);
    return { ...names, stream: await savedName(transport, names) };
  }
  const all = await knownStreams(transport);
  const own = all.filter((each) => each.schema === schema);
  if (name === undefined && own.length === 0 && all.length > 0) throw streamElsewhere(schema, all);
  const streams = chooseStreams(name === undefined ? own : all, {
    name,
    schema,
    viewer: await viewerOf(transport),
  });
  const [first] = streams;
  const [stream = ""] = streams.length === 1 ? streams.map((each) => each.stream) : wholeStreams(streams);
  return { schema: first?.schema ?? schema, stream };
}
