import { Buffer } from "node:buffer";
import { GenericContainer, getContainerRuntimeClient, ImageName } from "../deps.ts";
import { messageOf } from "../../lib/util/errors.ts";
import type { StartOptions } from "./first_server.ts";
import { freePort } from "./free_port.ts";
import { NoServerError } from "./no_server_error.ts";
import { progress } from "./progress.ts";

export interface ContainerOptions extends StartOptions {
  readonly command: (ports: readonly number[]) => string[];
  readonly environment?: Record<string, string>;
  /** Contents of files in the container, by path. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  /** Ports in the container. 0 takes a free port, the same in the container and on the host. */
  readonly ports: readonly number[];
}

export interface Container extends AsyncDisposable {
  readonly id: string;
  readonly host: string;
  /** On the host, in the order of the options. They stay the same when the container is restarted. */
  readonly ports: readonly number[];
}

const PULL_TIMEOUT_MS = 300_000;
const PROGRESS_INTERVAL_MS = 10_000;

/**
 * Starts a container and waits until its ports are open. Testcontainers' reaper removes it if this process is killed,
 * unless `TESTCONTAINERS_RYUK_DISABLED` is `true`.
 *
 * @throws {NoServerError} when no container engine answers or the image cannot be pulled in time
 */
export async function startContainer(image: string, options: ContainerOptions): Promise<Container> {
  const { command, environment = {}, files = {} } = options;
  await provideImage(image, options);
  const ports = options.ports.map((inside) => {
    const host = freePort();
    return { container: inside || host, host };
  });
  const contents = Object.entries(files).map(([target, content]) => ({
    target,
    content: Buffer.from(content),
  }));
  const hostPorts = ports.map(({ host }) => host);
  const container = await new GenericContainer(image)
    .withCommand(command(hostPorts))
    .withEnvironment(environment)
    .withCopyContentToContainer(contents)
    .withExposedPorts(...ports)
    .start();
  return {
    id: container.getId(),
    host: container.getHost(),
    ports: hostPorts,
    async [Symbol.asyncDispose]() {
      const { container: engine } = await getContainerRuntimeClient();
      await engine.getById(container.getId()).remove({ force: true, v: true });
    },
  };
}

async function provideImage(
  image: string,
  { pullTimeout = PULL_TIMEOUT_MS, signal }: StartOptions,
): Promise<void> {
  const client = await getContainerRuntimeClient().catch(() => {
    throw new NoServerError("no container engine answers");
  });
  const name = ImageName.fromString(image);
  if (await client.image.exists(name)) return;
  progress(`Pulling the image ${image} …`);
  const started = Date.now();
  const reporting = setInterval(
    () => progress(`Pulling the image ${image} … ${Math.round((Date.now() - started) / 1_000)} s`),
    PROGRESS_INTERVAL_MS,
  );
  const { promise: ended, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`not done within ${pullTimeout / 1000} s`)), pullTimeout);
  const abort = () => reject(signal?.reason);
  signal?.addEventListener("abort", abort);
  try {
    await Promise.race([client.image.pull(name), ended]);
    if (!await client.image.exists(name)) throw new Error("the engine does not have it after the pull");
  } catch (cause) {
    signal?.throwIfAborted();
    throw new NoServerError(`the image ${image} cannot be pulled (${messageOf(cause)})`, { cause });
  } finally {
    clearTimeout(timer);
    clearInterval(reporting);
    signal?.removeEventListener("abort", abort);
  }
}
