import { maskUrl } from "../../lib/util/mask_url.ts";
import { UserError } from "../../lib/util/errors.ts";

/** A server is not available on this machine. Callers catch it to use another one, or to skip tests. */
export class NoServerError extends UserError {}

/** A running server, stopped when disposed of. */
export interface Server extends AsyncDisposable {
  /** Kind, address and the reason for this choice, in one line without passwords. */
  readonly description: string;
}

export interface StartOptions {
  /** How long pulling an image may take, in milliseconds. @default 300_000 */
  readonly pullTimeout?: number | undefined;
  /** Ends the pull of an image. @default {none} */
  readonly signal?: AbortSignal | undefined;
  /** Keeps the data of a container in memory, which is faster: a restart of the container loses them. @default false */
  readonly inMemory?: boolean;
}

/**
 * Starts the first available server.
 *
 * @example
 * IN: "MongoDB", [fromUrl, fromContainer]; the first throws NoServerError("MONGODB_URL is not set")
 * OUT: {description: "MongoDB: container mongo:7 on localhost:32771 (MONGODB_URL is not set)", …}
 *
 * @throws {NoServerError} with all reasons if none is available
 */
export async function firstServer<S extends Server>(
  name: string,
  starters: (() => S | Promise<S>)[],
): Promise<S> {
  const reasons: string[] = [];
  for (const start of starters) {
    try {
      const server = await start();
      const why = reasons.length > 0 ? ` (${reasons.join("; ")})` : "";
      return { ...server, description: `${name}: ${server.description}${why}` };
    } catch (error) {
      if (!(error instanceof NoServerError)) throw error;
      reasons.push(error.message);
    }
  }
  throw new NoServerError(`${name} is not available: ${reasons.join("; ")}`);
}

/** The server that an environment variable names. @throws {NoServerError} if it is not set */
export function named<S extends { readonly url: string }>(variable: string, server: S): S & Server {
  if (!server.url) throw new NoServerError(`${variable} is not set`);
  return {
    ...server,
    description: `${maskUrl(server.url)} (from ${variable})`,
    async [Symbol.asyncDispose]() {},
  };
}
