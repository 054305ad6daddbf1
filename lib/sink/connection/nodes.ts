/**
 * Several nodes of one cluster. All statements go to one of them, which has seen the changes of those before. If it does
 * not answer, another one takes over, and it is left out for a while.
 */
import { type Clock, SYSTEM_CLOCK, waitAtMost } from "../../util/clock.ts";
import { messageOf } from "../../util/errors.ts";
import { type Logger, QUIET } from "../../util/log.ts";
import { isNodeError, isRetryable, SinkError } from "./sink_error.ts";
import { CRATEDB } from "../sql/dialect.ts";
import type { Query, Result, Transport } from "./transport.ts";
import { nodesOf, nodeText, type SinkAddress } from "./url.ts";

/** If a statement has no answer for so long, its node is asked whether it answers at all, and then the others. */
const SUSPECT_MS = 2_000;
/** The time until the next node is asked, too. */
const HEAD_START_MS = 1_000;
const ANSWER_LIMIT_MS = 10_000;
const LEFT_OUT_MS = 10_000;

interface Node {
  readonly name: string;
  /** Makes a transport that connects with its first statement. */
  readonly make: () => Transport;
  transport: Transport;
  outUntil: number;
  /** Why it did not answer first. */
  lastError: unknown;
  /** Resolves with the node that answers first. */
  asking?: Promise<Node> | undefined;
}

/** The error of a statement that another node may answer at once. */
class OtherNodeError extends SinkError {}

const NO_ANSWER = new SinkError("no answer, while another node answers", { code: "EHOSTDOWN" });

/** Begins with the first node that answers. @throws SinkError if none does */
export async function openNodes(
  address: SinkAddress,
  make: (node: SinkAddress) => Transport,
  { clock = SYSTEM_CLOCK, log = QUIET }: { clock?: Pick<Clock, "monotonic" | "wait">; log?: Logger } = {},
): Promise<Transport> {
  const nodes = nodesOf(address).map((each): Node => ({
    name: nodeText(each),
    make: () => make(each),
    transport: make(each),
    outUntil: -Infinity,
    lastError: NO_ANSWER,
  }));
  const closing = new AbortController();
  const context = { clock, signal: closing.signal };
  const first = await firstAnswer(nodes, context);
  let [current = first] = nodes;
  const isOut = ({ outUntil }: Node) => outUntil > clock.monotonic();
  const othersOf = (node: Node) =>
    nodes.filter((each) => each !== node).sort((one, other) => one.outUntil - other.outUntil);
  const leaveOut = (node: Node, error: unknown, [next = node] = othersOf(node)) => {
    node.outUntil = clock.monotonic() + LEFT_OUT_MS;
    if (node !== current) return;
    current = next;
    const fields = { node: node.name, error: messageOf(error), instead: next.name };
    if (!isOut(next)) log.warn("A node does not answer: going on with another one", fields);
  };
  if (first !== current) leaveOut(current, current.lastError, [first]);

  /** Closes the connections to the node if another one answers first. */
  const watch = async (node: Node, transport: Transport, answered: AbortSignal) => {
    while (true) {
      await clock.wait(SUSPECT_MS, { signal: answered });
      const asked = [node, ...othersOf(node)];
      node.asking ??= firstAnswer(asked, context).finally(() => node.asking = undefined);
      const first = await node.asking.catch(() => node);
      if (first === node || answered.aborted) continue;
      node.transport = node.make();
      leaveOut(node, NO_ANSWER, [first]);
      await transport[Symbol.asyncDispose]();
    }
  };
  const send: Query = async (...statement) => {
    const node = current;
    const { transport } = node;
    const answered = new AbortController();
    watch(node, transport, answered.signal).catch(() => {});
    try {
      return await transport.query(...statement);
    } catch (cause) {
      const error = transport === node.transport ? cause : NO_ANSWER;
      if (closing.signal.aborted || !isNodeError(error)) throw cause;
      leaveOut(node, error);
      const { message, code } = error;
      const text = message.includes(node.name) ? message : `${node.name}: ${message}`;
      // A wrong certificate of one node does not end the program.
      const kind = isRetryable(error) ? error.kind : "unreachable";
      throw new (isOut(current) ? SinkError : OtherNodeError)(text, { code, kind, cause });
    } finally {
      answered.abort();
    }
  };
  return {
    dialect: CRATEDB,
    query(...statement) {
      // A write whose answer was lost may still be running.
      const isRead = /^SELECT\b/.test(statement[0]);
      return isRead ? atAnyNode(() => send(...statement)) : send(...statement);
    },
    async [Symbol.asyncDispose]() {
      closing.abort();
      await Promise.all(nodes.map(({ transport }) => transport[Symbol.asyncDispose]()));
    },
  };
}

async function firstAnswer(
  nodes: readonly Node[],
  { clock, signal }: { readonly clock: Pick<Clock, "wait">; readonly signal: AbortSignal },
): Promise<Node> {
  await using probes = new AsyncDisposableStack();
  const close = () => probes.disposeAsync();
  signal.addEventListener("abort", close);
  probes.defer(() => signal.removeEventListener("abort", close));
  const ask = async (node: Node) => {
    const probe = probes.use(node.make());
    await probe.query("SELECT 1", [], { limitMs: ANSWER_LIMIT_MS })
      .catch((error) => Promise.reject(node.lastError = error));
    node.outUntil = -Infinity;
    return node;
  };
  const answers: Promise<Node>[] = [];
  for (const node of nodes) {
    answers.push(ask(node));
    let first: Node | undefined;
    await waitAtMost(HEAD_START_MS, Promise.any(answers).then((node) => first = node), clock);
    if (first) return first;
  }
  return await Promise.any(answers).catch(({ errors }: AggregateError) => {
    const refusal = errors.find((error) => !isRetryable(error) && !isNodeError(error));
    const cause: SinkError = refusal ?? errors[0];
    const message = [...new Set(errors.map(messageOf))].join("; ");
    throw new SinkError(message, { code: cause.code, kind: cause.kind, cause });
  });
}

/** Sends a statement that is safe to repeat until a node answers, or until all have failed. */
export const atAnyNode = (send: () => Promise<Result>): Promise<Result> =>
  send().catch((error) => error instanceof OtherNodeError ? atAnyNode(send) : Promise.reject(error));
