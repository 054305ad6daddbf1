import { Buffer } from "node:buffer";
import { loadContainers } from "../deps.ts";
import { messageOf } from "../../lib/util/errors.ts";
import { NoServerError, type StartOptions } from "./first_server.ts";
import { freePort } from "./free_port.ts";
import { progress } from "./progress.ts";

export interface ContainerOptions extends StartOptions {
  readonly command: (ports: readonly number[]) => string[];
  readonly environment?: Record<string, string>;
  /** Folder of the data in the container. */
  readonly data: string;
  /** Contents of files in the container, by path. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  /** Ports in the container. 0 takes a free port, the same in the container and on the host. */
  readonly ports: readonly number[];
  /** Resolves when the server in the container answers. @default {when its ports are open} */
  readonly ready?: (address: Pick<Container, "host" | "ports">) => Promise<void>;
}

export interface Container extends AsyncDisposable {
  readonly id: string;
  readonly host: string;
  /** On the host, in the order of the options. They stay the same when the container is restarted. */
  readonly ports: readonly number[];
}

const PULL_TIMEOUT_MS = 300_000;

/**
 * Starts a container and waits until it is ready. Testcontainers' reaper removes it if this process is killed,
 * unless `TESTCONTAINERS_RYUK_DISABLED` is `true`.
 *
 * @throws {NoServerError} when no container engine answers or the image cannot be pulled in time
 */
export async function startContainer(image: string, options: ContainerOptions): Promise<Container> {
  const { command, environment = {}, data, inMemory = false, files = {}, ready } = options;
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
  const { GenericContainer, getContainerRuntimeClient } = await loadContainers();
  const container = await new GenericContainer(image)
    .withCommand(command(hostPorts))
    .withEnvironment(environment)
    .withTmpFs(inMemory ? { [data]: "rw,mode=1777" } : {})
    .withCopyContentToContainer(contents)
    .withExposedPorts(...ports)
    .start();
  await using stopping = new AsyncDisposableStack();
  stopping.defer(async () => {
    const { container: engine } = await getContainerRuntimeClient();
    await engine.getById(container.getId()).remove({ force: true, v: true });
  });
  const address = { host: container.getHost(), ports: hostPorts };
  await ready?.(address);
  const running = stopping.move();
  return { id: container.getId(), ...address, [Symbol.asyncDispose]: () => running.disposeAsync() };
}

async function provideImage(
  image: string,
  { pullTimeout = PULL_TIMEOUT_MS, signal }: StartOptions,
): Promise<void> {
  const { getContainerRuntimeClient, ImageName } = await loadContainers();
  const client = await getContainerRuntimeClient().catch(() => {
    throw new NoServerError("no container engine answers");
  });
  const name = ImageName.fromString(image);
  if (await client.image.exists(name)) return;
  progress(`Pulling the image ${image} …`);
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
    signal?.removeEventListener("abort", abort);
  }
}
