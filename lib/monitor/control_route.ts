/** `POST /control`: takes requests for the control table from people who have the token. */
import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import * as v from "valibot";
import type { FollowedStream } from "../pipeline/status/events.ts";
import { messageOf } from "../util/errors.ts";
import { type Route, textAnswer } from "./http_server.ts";

/** A stream by its name in the file, and as it is in CrateDB. */
export interface SteeredStream {
  readonly name: string;
  readonly followed: FollowedStream;
}

export interface Control {
  /** Read again for each request: its file may be replaced. */
  readonly token: () => string;
  /** Adds a request to the control table. Resolves to its id. @throws SinkError */
  readonly ask: (
    request: { readonly verb: string; readonly arguments: Record<string, unknown>; readonly askedBy: string },
    stream: SteeredStream,
  ) => Promise<string>;
}

const MAX_BYTES = 64 * 1_024;

/** @param find the stream of a name, or the only one */
export const controlRoute = (
  { token, ask }: Control,
  find: (stream: string | undefined) => SteeredStream | undefined,
): Route => ({
  post: async (request) => {
    const { authorization = "", "content-type": type = "" } = request.headers;
    // Takes the same time wherever the texts differ.
    if (!timingSafeEqual(digest(authorization), digest(`Bearer ${token()}`))) {
      const why = "The token is missing or wrong: it is the content of --control-token-file.";
      return { ...textAnswer(401, why), headers: { "WWW-Authenticate": "Bearer" } };
    }
    if (!/^application\/json\b/i.test(type)) return textAnswer(415, "Send application/json.");
    const text = await bodyOf(request);
    if (text === undefined) return textAnswer(413, `A request has at most ${MAX_BYTES} bytes.`);
    const { success, output } = v.safeParse(FORM, text);
    if (!success) return textAnswer(400, 'Send {"verb": "pause", "arguments": {}, "stream": "NAME"}.');
    const { stream, ...asked } = output;
    const steered = find(stream);
    if (!steered) return textAnswer(400, "Name one of the streams in /status that have a `stream`.");
    try {
      const askedBy = `page, ${request.socket.remoteAddress ?? ""}`;
      const id = await ask({ ...asked, askedBy }, steered);
      return { status: 202, type: "application/json; charset=utf-8", body: JSON.stringify({ id }) };
    } catch (error) {
      return textAnswer(503, `The request was not saved: ${messageOf(error)}`);
    }
  },
});

const digest = (text: string): Uint8Array => createHash("sha256").update(text).digest();

/** Undefined for a longer body, which is read too: what is left of it would hold up the next request. */
async function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes <= MAX_BYTES) chunks.push(chunk);
  }
  return bytes > MAX_BYTES ? undefined : Buffer.concat(chunks).toString("utf8");
}

const FORM = v.pipe(
  v.string(),
  v.parseJson(),
  v.object({
    verb: v.string(),
    arguments: v.optional(
      v.custom<Record<string, unknown>>((it) => Object(it) === it && !Array.isArray(it)),
      {},
    ),
    stream: v.optional(v.string()),
  }),
);
