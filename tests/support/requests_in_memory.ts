/** The control table in memory: rows are seen by queries at once. */
import type { ControlRequest, NewRequest, RequestChange } from "../../lib/sink/metadata/control_requests.ts";

const ENDS = new Set(["done", "refused", "failed", "cancelled", "expired"]);

export function requestsInMemory(stream: string) {
  const rows = new Map<string, ControlRequest>();
  /** Each end that was written. */
  const ends: string[] = [];
  return {
    names: [stream],
    rows,
    ends,
    states: () => Object.fromEntries([...rows].map(([id, { state }]) => [id, state])),
    put: (request: Partial<ControlRequest> & Pick<ControlRequest, "id" | "verb">) =>
      void rows.set(request.id, {
        stream,
        arguments: {},
        askedAt: rows.size,
        askedBy: "crate",
        expiresAt: Infinity,
        isExpired: false,
        state: "asked",
        progress: null,
        message: null,
        startedAt: null,
        endedAt: null,
        ...request,
      }),
    add(request: NewRequest) {
      const { id = `${rows.size}`, expiresIn: _, ...given } = request;
      if (!rows.has(id)) this.put({ ...given, id });
      return this.find(id) as Promise<ControlRequest>;
    },
    open: () => Promise.resolve([...rows.values()].filter(({ state }) => !ENDS.has(state))),
    find: (id: string) => Promise.resolve(rows.get(id)),
    show: () => Promise.resolve(),
    save(id: string, { starts: _, ends: isEnd, ...change }: RequestChange) {
      const row = rows.get(id);
      if (row) rows.set(id, { ...row, ...change });
      if (isEnd) ends.push(`${id} ${change.state}`);
      return Promise.resolve();
    },
  };
}
