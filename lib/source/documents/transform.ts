/**
 * The user's transform: a filter, fields, a pipeline. MongoDB applies it, with the same query for the snapshot and for
 * changed documents. The relay itself removes fields that a MongoDB path cannot name.
 */
import type { Document } from "mongodb";
import { BSON } from "../../bson/library.ts";
import { isMongodbPath } from "../../bson/without_fields.ts";

export interface TransformOptions {
  /** A query; undefined for all documents. */
  readonly filter: Document | undefined;
  readonly only: readonly string[];
  readonly omit: readonly string[];
  /** Stages; undefined for none. */
  readonly pipeline: readonly Document[] | undefined;
}

const isOfId = (path: unknown): boolean => /^_id(?:\.|$)/.test(String(path));
const namesId = (fields: unknown): boolean => Object.keys(fields as Document).some(isOfId);

/** Stages that return at most one document for each, and whether they may change its `_id`. */
const STAGES: ReadonlyMap<string, (argument: unknown) => boolean> = new Map(Object.entries({
  $match: () => false,
  $project: namesId,
  $addFields: namesId,
  $set: namesId,
  $unset: (paths) => [paths].flat().some(isOfId),
  $replaceRoot: () => true,
  $replaceWith: () => true,
  $redact: () => true,
}));

/** Whether these stages may change `_id`. True when in doubt. */
export const changesId = (stages: readonly Document[]): boolean =>
  stages.some((stage) => Object.entries(stage).some(([name, argument]) => STAGES.get(name)?.(argument)));

/** @example IN: {filter: {active: true}, omit: ["password"], …} → OUT: [{$match: {active: true}}, {$unset: ["password"]}] */
export function transformStages({ filter, only, omit, pipeline }: TransformOptions): Document[] {
  const unset = omit.filter(isMongodbPath);
  return [
    ...filter === undefined ? [] : [{ $match: filter }],
    ...only.length === 0 ? [] : [{ $project: Object.fromEntries(only.map((path) => [path, 1])) }],
    ...unset.length === 0 ? [] : [{ $unset: unset }],
    ...pipeline ?? [],
  ];
}

/** @throws RangeError */
export function parseFilter(given: unknown): Document {
  const filter = parse(given);
  if (!isDocument(filter)) throw new RangeError('is not a query such as {"active": true}');
  return filter;
}

/** @throws RangeError */
export function parsePipeline(given: unknown): Document[] {
  const stages = parse(given);
  if (!Array.isArray(stages) || !stages.every(isDocument)) {
    throw new RangeError('is not a list of stages such as [{"$unset": "secret"}]');
  }
  for (const stage of stages) {
    const [name = "(none)", ...more] = Object.keys(stage);
    if (more.length > 0 || !STAGES.has(name)) {
      throw new RangeError(`has a stage ${name}; supported are ${[...STAGES.keys()].join(", ")}`);
    }
  }
  return stages;
}

/** Paths of fields to remove. @throws RangeError */
export function parseOmitted(text: string): readonly string[] {
  const paths = text.split(",").map((path) => path.trim()).filter((path) => path !== "");
  for (const path of paths) {
    if (path === "_id") throw new RangeError("names _id, which every row needs");
    if (/(^|\.)(\.|$)/.test(path)) throw new RangeError(`has an invalid field path: ${JSON.stringify(path)}`);
  }
  return paths;
}

/** Paths of fields to keep. @throws RangeError */
export function parsePaths(text: string): readonly string[] {
  const paths = parseOmitted(text);
  const bad = paths.find((path) => !isMongodbPath(path));
  if (bad === undefined) return paths;
  throw new RangeError(`has a name with a dollar sign, which MongoDB cannot select: ${JSON.stringify(bad)}`);
}

/** Parses Extended JSON; what is not a text is returned as it is. */
function parse(given: unknown): unknown {
  if (typeof given !== "string") return given;
  try {
    const value = BSON.EJSON.parse(given, { relaxed: false });
    // It reads {"$date": "no"}, but cannot read what it writes of that.
    BSON.EJSON.parse(BSON.EJSON.stringify(value, { relaxed: false }));
    return value;
  } catch (error) {
    throw new RangeError(`is not Extended JSON (${(error as Error).message})`);
  }
}

const isDocument = (value: unknown): value is Document =>
  value !== null && typeof value === "object" && Object.getPrototypeOf(value) === Object.prototype;
