/** Options of MongoDB: where it is, and what is followed. */
import { parseFilter, parseOmitted, parsePaths, parsePipeline } from "../../source/documents/transform.ts";
import { fileOf, option } from "./option.ts";
import { names, oneOf, optional, text } from "./parsers.ts";

export const MONGODB_URL = option({
  flag: "mongodb-url",
  env: ["MONGODB_URL"],
  default: "mongodb://localhost/",
  value: "URL",
  help: "MongoDB, a replica set or sharded cluster",
  parse: text,
  file: true,
});

export const MONGODB_URL_FILE = fileOf(MONGODB_URL);

export const SCOPE = [
  option({
    flag: "database",
    env: ["MONGODB_DATABASE"],
    default: "",
    value: "NAME,…",
    help: "Databases, with * and ? as in a shell; by default testdrive. '*' follows the whole deployment",
    parse: names,
    list: true,
  }),
  option({
    flag: "collection",
    env: ["MONGODB_COLLECTION"],
    default: "",
    value: "NAME,…",
    help: "Collections, with * and ?; by default all of the databases that are named, else data",
    parse: names,
    list: true,
  }),
  option({
    flag: "exclude",
    env: ["CDC_EXCLUDE"],
    default: "",
    value: "NAME,…",
    help: "Collections to leave out: collection or database.collection, with * and ?",
    parse: names,
    list: true,
  }),
  option({
    flag: "key",
    env: ["CDC_KEY"],
    default: "_id",
    value: "_id|documentKey",
    help: "What oid is made of; documentKey adds the shard key, where _id is not unique among the shards",
    parse: oneOf("_id", "documentKey"),
  }),
] as const;

/** Which parts of the documents are taken. */
export const TRANSFORM = [
  option({
    flag: "filter",
    env: ["CDC_FILTER"],
    default: "",
    value: "JSON",
    help: "Take only documents that match this MongoDB query (Extended JSON); rows of others are deleted",
    parse: optional(parseFilter),
  }),
  option({
    flag: "only",
    env: ["CDC_ONLY"],
    default: "",
    value: "PATH,…",
    help: "Take only these fields, and _id",
    parse: parsePaths,
    list: true,
  }),
  option({
    flag: "omit",
    env: ["CDC_OMIT"],
    default: "",
    value: "PATH,…",
    help: "Leave these fields out",
    parse: parseOmitted,
    list: true,
  }),
  option({
    flag: "pipeline",
    env: ["CDC_PIPELINE"],
    default: "",
    value: "JSON",
    help: 'Stages that each document goes through, e.g. [{"$set": {"year": {"$year": "$at"}}}]',
    parse: optional(parsePipeline),
  }),
] as const;
