/** What the demo and the process that holds its servers say to each other, as lines of JSON. */

/** The first line that the demo writes. A second line says that the demo has ended by itself. */
export interface HostRequest {
  /** Of the demo alone: a database of MongoDB, and a schema of the sink. */
  readonly database: string;
  /** Servers that run already; those that are missing are started. */
  readonly mongodbUrl: string;
  readonly sinkUrl: string;
}

/** A server that the demo can use. */
export interface HostedServer {
  readonly url: string;
  readonly description: string;
}

export type ServerName = "mongodb" | "sink";

/** Each line of the host's output that is JSON. */
export type HostMessage = { readonly [name in ServerName]?: HostedServer } & {
  readonly error?: { readonly message: string; readonly hint?: string | undefined };
};
