import { NoServerError } from "./no_server_error.ts";

/** A running server, stopped when disposed of. */
export interface Server extends AsyncDisposable {
  /** What it is, where, and why not another: one line without passwords. */
  readonly description: string;
}

/**
 * Starts the first server that can be had.
 *
 * @example
 * IN: "MongoDB", [fromUrl, fromContainer], where the first throws NoServerError("MONGODB_URL is not set")
 * OUT: {description: "MongoDB: container mongo:7 on localhost:32771, as MONGODB_URL is not set", …}
 *
 * @throws {NoServerError} with the reason of each, when there is none
 */
export async function firstServer<S extends Server>(
  name: string,
  starters: (() => S | Promise<S>)[],
): Promise<S> {
  const reasons: string[] = [];
  const why = () => reasons.length > 0 ? `, as ${reasons.join(" and ")}` : "";
  for (const start of starters) {
    try {
      const server = await start();
      return { ...server, description: `${name}: ${server.description}${why()}` };
    } catch (error) {
      if (!(error instanceof NoServerError)) throw error;
      reasons.push(error.message);
    }
  }
  throw new NoServerError(`${name}: none${why()}`);
}
