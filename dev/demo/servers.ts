/** The demo's side of the process that holds its servers: the two servers, and their end. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import process from "node:process";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { UserError } from "../../lib/util/errors.ts";
import { maskUrl } from "../../lib/util/mask_url.ts";
import { openTransport } from "../../lib/sink/connection/open_transport.ts";
import { parseSinkUrl } from "../../lib/sink/connection/url.ts";
import { connectMongodb } from "../../lib/source/connection/mongodb.ts";
import type { DemoSettings } from "./settings.ts";
import type { Screen } from "./screen.ts";
import type { HostedServer, HostMessage, HostRequest, ServerName } from "./host_messages.ts";

export interface Servers extends AsyncDisposable {
  readonly mongodbUrl: string;
  readonly sinkUrl: string;
}

export interface OpenServersOptions {
  readonly database: string;
  readonly screen: Screen;
  readonly signal: AbortSignal;
  /** The URL of the script that holds the servers. */
  readonly hostScript: string;
}

const TITLES: Readonly<Record<ServerName, string>> = { mongodb: "MongoDB", sink: "CrateDB" };
const NAMES = ["mongodb", "sink"] as const satisfies readonly ServerName[];
/** How long to wait for the end. The rest is removed in the background. */
const LONGEST_END_MS = 20_000;
/** After this, say what is going on. */
const LONG_END_MS = 1_000;

/**
 * The servers that are named, and those that are missing started: each with a line that says what it is and why.
 *
 * @throws UserError when there is none to be had
 */
export async function openServers(settings: DemoSettings, options: OpenServersOptions): Promise<Servers> {
  const { database, screen, signal, hostScript } = options;
  if (!existsSync(fileURLToPath(hostScript))) {
    throw new UserError("The demo comes with a clone of the repository only.", {
      hint: "Clone it and run `deno task demo` there. Here, start with `cdc-relay` and `db-workload`.",
    });
  }
  const servers: Partial<Record<ServerName, HostedServer>> = {};
  const add = (name: ServerName, server: HostedServer) => {
    servers[name] = server;
    screen.tell(server.description);
  };
  for (const name of NAMES) {
    const { url, source } = settings[name];
    if (url) {
      add(name, { url, description: `${await kindOf(name, url)}: ${maskUrl(url)}, as ${source} says` });
    }
  }
  const missing = NAMES.filter((name) => !servers[name]);
  if (missing.length > 0) screen.tell(`Starting ${missing.map((name) => TITLES[name]).join(" and ")} …`);
  signal.throwIfAborted();
  const host = new Host({ database, mongodbUrl: settings.mongodb.url, sinkUrl: settings.sink.url }, {
    screen,
    hostScript,
  });
  try {
    while (!servers.mongodb || !servers.sink) {
      const { error, ...started } = await host.next(signal);
      if (error) throw new UserError(error.message, { hint: error.hint ?? NONE_HINT });
      for (const name of NAMES) if (started[name]) add(name, started[name]);
    }
    return {
      mongodbUrl: servers.mongodb.url,
      sinkUrl: servers.sink.url,
      [Symbol.asyncDispose]: () => host[Symbol.asyncDispose](),
    };
  } catch (error) {
    await host[Symbol.asyncDispose]();
    throw error;
  }
}

const NONE_HINT = "Set MONGODB_URL to one that runs, start a container engine, or put a mongod on the PATH.";

/** What a named server is, once it has answered. */
async function kindOf(name: ServerName, url: string): Promise<string> {
  if (name === "mongodb") {
    await (await connectMongodb(url)).close();
    return TITLES.mongodb;
  }
  await using transport = await openTransport(parseSinkUrl(url));
  await transport.query("SELECT 1");
  return transport.dialect.name;
}

class Host implements AsyncDisposable {
  readonly #screen: Screen;
  readonly #child: ChildProcess & { readonly stdin: Writable; readonly stdout: Readable };
  readonly #ended: Promise<void>;
  readonly #lines: AsyncIterator<string, undefined>;

  constructor(
    request: HostRequest,
    { screen, hostScript }: Pick<OpenServersOptions, "screen" | "hostScript">,
  ) {
    this.#screen = screen;
    const flags = process.versions.deno === undefined ? [] : ["run", "--allow-all", "--quiet"];
    this.#child = spawn(process.execPath, [...flags, fileURLToPath(hostScript)], {
      stdio: ["pipe", "pipe", "inherit"],
      detached: true,
    });
    this.#ended = new Promise((resolve) => this.#child.once("close", () => resolve()));
    this.#child.on("error", () => {}); // It ends then, without a word.
    this.#child.stdin.on("error", () => {}); // It has ended.
    this.#child.stdin.write(`${JSON.stringify(request)}\n`);
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** The next message; other lines are progress of downloads. */
  async next(signal: AbortSignal): Promise<HostMessage> {
    while (true) {
      const { value: line } = await unlessAborted(this.#lines.next(), signal);
      if (line === undefined) {
        throw new UserError("The process that starts the servers ended without a word.");
      }
      if (line.startsWith("{")) return JSON.parse(line);
      this.#screen.tell(line);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin.end("ended\n");
    const late = new AbortController();
    const ended = this.#ended.finally(() => late.abort());
    const wait = (time: number) => delay(time, "late", { signal: late.signal }).catch(() => {});
    if (await Promise.race([ended, wait(LONG_END_MS)]) !== "late") return;
    this.#screen.tell("Cleaning up … (a second Ctrl-C leaves that to the background)");
    if (await Promise.race([ended, wait(LONGEST_END_MS)]) !== "late") return;
    this.#screen.tell("The rest goes on in the background.");
    this.#child.unref();
  }
}

async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort);
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
