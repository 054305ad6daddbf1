import { Buffer } from "node:buffer";
import { GenericContainer, getContainerRuntimeClient, ImageName } from "testcontainers";
import { messageOf } from "../../lib/util/errors.ts";
import { freePort } from "./free_port.ts";
import { NoServerError } from "./no_server_error.ts";
import { tell } from "./tell.ts";

export interface ContainerOptions {
  readonly command: (ports: readonly number[]) => string[];
  readonly environment?: Record<string, string>;
  /** What files of the container have in them, by their paths. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  /** Ports inside the container; 0 is one that is free on the host, and the same inside and outside. */
  readonly ports: readonly number[];
  /** How long a pull of the image may take, in milliseconds. @default 300_000 */
  readonly pullTimeout?: number | undefined;
}

export interface Container extends AsyncDisposable {
  readonly id: string;
  readonly host: string;
  /** On the host, in the order of the options; they stay when the container is restarted. */
  readonly ports: readonly number[];
}

const PULL_TIMEOUT_MS = 300_000;
/** A long pull is told of now and again. */
const TELL_INTERVAL_MS = 10_000;

/**
 * Starts a container and waits until its ports are open.
 *
 * @throws {NoServerError} when no container engine answers, or the image is not there and cannot be pulled in time
 */
export async function startContainer(image: string, options: ContainerOptions): Promise<Container> {
  await provideImage(image, options.pullTimeout ?? PULL_TIMEOUT_MS);
  const ports = options.ports.map((inside) => {
    const host = freePort();
    return { container: inside || host, host };
  });
  const contents = Object.entries(options.files ?? {}).map(([target, content]) => ({
    target,
    content: Buffer.from(content),
  }));
  const hostPorts = ports.map(({ host }) => host);
  const container = await new GenericContainer(image)
    .withCommand(options.command(hostPorts))
    .withEnvironment(options.environment ?? {})
    .withCopyContentToContainer(contents)
    .withExposedPorts(...ports)
    .withAutoCleanup(false)
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

async function provideImage(image: string, timeout: number): Promise<void> {
  const client = await getContainerRuntimeClient().catch(() => {
    throw new NoServerError("no container engine answers");
  });
  const name = ImageName.fromString(image);
  if (await client.image.exists(name)) return;
  tell(`Pulling ${image}; it is kept for the next time …`);
  const started = Date.now();
  const telling = setInterval(
    () => tell(`Pulling ${image} … ${Math.round((Date.now() - started) / 1_000)} s`),
    TELL_INTERVAL_MS,
  );
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`not done within ${timeout / 1000} s`)), timeout);
  try {
    await Promise.race([client.image.pull(name), late]);
    if (!await client.image.exists(name)) throw new Error("the pull ended without it");
  } catch (cause) {
    throw new NoServerError(`the image ${image} cannot be pulled (${messageOf(cause)})`, { cause });
  } finally {
    clearTimeout(timer);
    clearInterval(telling);
  }
}
