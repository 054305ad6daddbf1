/** Servers that call themselves mongos, for tests of the routes of commands. Each has only the cursors that it opened. */
import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { BSON, type Document } from "mongodb";

const OP_REPLY = 1;
const OP_MSG = 2013;
const HEADER_BYTES = 16;
/** Flag bits, and the kind of the one section. */
const OP_MSG_BODY = HEADER_BYTES + 5;
const OP_REPLY_BODY = HEADER_BYTES + 20;

const HELLO = {
  ok: 1,
  ismaster: true,
  isWritablePrimary: true,
  msg: "isdbgrid",
  maxBsonObjectSize: 2 ** 24,
  maxMessageSizeBytes: 48_000_000,
  maxWriteBatchSize: 100_000,
  minWireVersion: 0,
  maxWireVersion: 21,
  logicalSessionTimeoutMinutes: 30,
};

/** No answer, to this and to all later commands on the same connection, which stays open. */
export const SILENCE = Symbol("silence");

/** What a server answers to a command; undefined for what the fake answers alone. */
export type Answer = (command: Document) => Document | typeof SILENCE | undefined;

export class FakeMongos implements AsyncDisposable {
  /** The names of the commands received, except those of the driver. */
  readonly commands: string[] = [];
  /** Cursors that were closed, also unknown ones. */
  readonly closed: string[] = [];
  /** `getMore`s and `killCursors` of cursors that this server does not have. */
  astray = 0;
  readonly #cursors = new Set<string>();
  readonly #answer: Answer;
  readonly #always: Document;
  #lastCursor = 0;
  readonly #listener: Listener;

  private constructor(answer: Answer, always: Document, listener: Listener) {
    this.#answer = answer;
    this.#always = always;
    this.#listener = listener;
  }

  /** @param always fields of each answer */
  static async start(answer: Answer = () => undefined, always: Document = {}): Promise<FakeMongos> {
    const listener = await Listener.start((socket) => mongos.serve(socket));
    const mongos = new FakeMongos(answer, always, listener);
    return mongos;
  }

  get address(): string {
    return this.#listener.address;
  }

  /** Cursors that are open. */
  get cursors(): number {
    return this.#cursors.size;
  }

  /** Answers the commands of a connection. */
  serve(socket: Socket): void {
    let received = Buffer.alloc(0);
    let isSilent = false;
    socket.on("data", (part) => {
      if (isSilent) return;
      received = Buffer.concat([received, Buffer.from(part)]);
      while (received.length >= HEADER_BYTES && received.length >= received.readInt32LE(0)) {
        const message = received.subarray(0, received.readInt32LE(0));
        received = received.subarray(message.length);
        const reply = this.#replyTo(message);
        if (reply) socket.write(reply);
        else isSilent = true;
      }
    });
    socket.on("error", () => {}); // The client has closed the connection.
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#listener[Symbol.asyncDispose]();
  }

  #replyTo(message: Buffer): Uint8Array | undefined {
    const requestId = message.readInt32LE(4);
    if (message.readInt32LE(12) !== OP_MSG) {
      return reply(OP_REPLY, OP_REPLY_BODY, requestId, { ...HELLO, ...this.#always });
    }
    const answer = this.#run(BSON.deserialize(message.subarray(OP_MSG_BODY)));
    if (answer === SILENCE) return undefined;
    return reply(OP_MSG, OP_MSG_BODY, requestId, { ...answer, ...this.#always });
  }

  #run(command: Document): Document | typeof SILENCE {
    const [name = ""] = Object.keys(command);
    if (["hello", "ismaster", "isMaster", "endSessions"].includes(name)) return HELLO;
    this.commands.push(name);
    switch (name) {
      case "aggregate":
      case "find":
        return this.#answer(command) ?? this.#batch(this.#open(), "firstBatch");
      case "getMore":
        if (!this.#has(command.getMore)) return this.#notFound();
        return this.#answer(command) ?? this.#batch(String(command.getMore), "nextBatch");
      case "killCursors":
        this.closed.push(...command.cursors.map(String));
        for (const id of command.cursors) if (!this.#cursors.delete(String(id))) this.#notFound();
        return { ok: 1 };
      default:
        return this.#answer(command) ?? { ok: 1 };
    }
  }

  #open(): string {
    const id = `${++this.#lastCursor}${this.address.split(":")[1]}`;
    this.#cursors.add(id);
    return id;
  }

  #has(id: unknown): boolean {
    return this.#cursors.has(String(id));
  }

  #notFound(): Document {
    this.astray++;
    return { ok: 0, code: 43, codeName: "CursorNotFound", errmsg: "no such cursor" };
  }

  #batch(id: string, name: "firstBatch" | "nextBatch"): Document {
    const postBatchResumeToken = { _data: "82" };
    const cursor = { id: BSON.Long.fromString(id), ns: "shop.orders", [name]: [], postBatchResumeToken };
    return { ok: 1, operationTime: new BSON.Timestamp({ t: 1, i: 1 }), cursor };
  }
}

/** One address whose connections lead to each of these servers in turn. */
export class FakeBalancer implements AsyncDisposable {
  readonly #listener: Listener;

  private constructor(listener: Listener) {
    this.#listener = listener;
  }

  static async start(servers: readonly FakeMongos[]): Promise<FakeBalancer> {
    let connections = 0;
    return new FakeBalancer(
      await Listener.start((socket) => servers[connections++ % servers.length]?.serve(socket)),
    );
  }

  get address(): string {
    return this.#listener.address;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#listener[Symbol.asyncDispose]();
  }
}

class Listener implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets: ReadonlySet<Socket>;

  private constructor(server: Server, sockets: ReadonlySet<Socket>) {
    this.#server = server;
    this.#sockets = sockets;
  }

  static async start(onConnection: (socket: Socket) => void): Promise<Listener> {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on("close", () => sockets.delete(socket));
      onConnection(socket);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new Listener(server, sockets);
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

function reply(opcode: number, bodyAt: number, requestId: number, document: Document): Uint8Array {
  const body = BSON.serialize(document);
  const message = Buffer.alloc(bodyAt + body.length);
  message.writeInt32LE(message.length, 0);
  message.writeInt32LE(requestId, 8);
  message.writeInt32LE(opcode, 12);
  if (opcode === OP_REPLY) message.writeInt32LE(1, bodyAt - 4); // The number of documents.
  message.set(body, bodyAt);
  return message;
}
