/** Options of `demo`. */
import { parseSinkUrl } from "../../sink/connection/url.ts";
import { option } from "./option.ts";
import { count, oneOf } from "./parsers.ts";
import { MONGODB_URL } from "./source.ts";

function checkedSinkUrl(value: string): string {
  if (value !== "") parseSinkUrl(value);
  return value;
}

/** What the demo is told; it starts the servers that are not named. */
export const DEMO = [
  option({
    ...MONGODB_URL,
    default: "",
    help: "MongoDB to use, a replica set; by default one is started",
    parse: String,
  }),
  option({
    flag: "cratedb-url",
    env: ["CRATEDB_URL", "CRATEDB_SQLALCHEMY_URL"],
    default: "",
    value: "URL",
    help: "CrateDB or PostgreSQL to use; by default one is started",
    parse: checkedSinkUrl,
  }),
  option({
    flag: "count",
    env: ["DEMO_COUNT"],
    default: "5000",
    value: "N",
    help: "Operations of the load",
    parse: count(1),
  }),
  option({
    flag: "servers",
    env: ["DEMO_SERVERS"],
    default: "stop",
    value: "stop|keep",
    help: "What becomes of servers and data at the end: removed at once, or kept until Ctrl-C",
    parse: oneOf("stop", "keep"),
  }),
] as const;
