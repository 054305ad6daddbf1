/** Options of `db-workload`. */
import { parseMix } from "../../workload/workload.ts";
import { option } from "./option.ts";
import { count, text } from "./parsers.ts";

export const TARGET = [
  option({
    flag: "database",
    env: ["MONGODB_DATABASE"],
    default: "testdrive",
    value: "NAME",
    help: "Database to write to",
    parse: text,
  }),
  option({
    flag: "collection",
    env: ["MONGODB_COLLECTION"],
    default: "data",
    value: "NAME",
    help: "Collection to write to",
    parse: text,
  }),
] as const;

export const WORKLOAD = [
  option({
    flag: "count",
    env: ["WORKLOAD_COUNT"],
    default: "1",
    value: "N",
    help: "Operations; 1 inserts the example record and prints its id",
    parse: count(1),
  }),
  option({
    flag: "rate",
    env: ["WORKLOAD_RATE"],
    default: "0",
    value: "N",
    help: "Operations a second at most; 0 for as many as possible",
    parse: count(0),
  }),
  option({
    flag: "mix",
    env: ["WORKLOAD_MIX"],
    default: "insert=100",
    value: "OP=WEIGHT,…",
    help: "Weights of insert, update, replace and delete, e.g. insert=70,update=20,replace=5,delete=5",
    parse: parseMix,
  }),
  option({
    flag: "seed",
    env: ["WORKLOAD_SEED"],
    default: "random",
    value: "N",
    help: "The same seed makes the same operations, ids included",
    parse: (value) => value === "random" ? Math.floor(Math.random() * 2 ** 32) : count(0)(value),
  }),
] as const;
