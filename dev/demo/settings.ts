/** What the demo is told. */

/** A server that runs already, and what names it; both empty where one is to be started. */
export interface NamedServer {
  readonly url: string;
  /** @example MONGODB_URL */
  readonly source: string;
}

export interface DemoSettings {
  readonly mongodb: NamedServer;
  readonly sink: NamedServer;
  /** Operations of the load. */
  readonly count: number;
  readonly servers: "stop" | "keep";
}
