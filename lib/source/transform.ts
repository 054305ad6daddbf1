/**
 * What of the documents is taken: a filter, fields, a pipeline. MongoDB itself applies it, by one and the same
 * query for the copy and for the documents that a change stream names.
 */
import { BSON, type Document } from "mongodb";

export interface TransformOptions {
  /** A query as Extended JSON; empty for all documents. */
  readonly filter: string;
  readonly only: readonly string[];
  readonly omit: readonly string[];
  /** Stages as Extended JSON; empty for none. */
  readonly pipeline: string;
}

type ChangesId = (argument: unknown) => boolean;

const isOfId = (path: unknown): boolean => /^_id(?:\.|$)/.test(String(path));
const names: ChangesId = (fields) => Object.keys(fields as Document).some(isOfId);

/** Stages that make at most one document of one, which it stays; whether it may get another `_id`. */
const STAGES: ReadonlyMap<string, ChangesId> = new Map(Object.entries({
  $match: () => false,
  $project: names,
  $addFields: names,
  $set: names,
  $unset: (paths) => [paths].flat().some(isOfId),
  $replaceRoot: () => true,
  $replaceWith: () => true,
  $redact: () => true,
}));

/** Whether documents may get another `_id` by these stages; when in doubt, they may. */
export const changesId = (stages: readonly Document[]): boolean =>
  stages.some((stage) => Object.entries(stage).some(([name, argument]) => STAGES.get(name)?.(argument)));

/**
 * @example
 * IN: {filter: '{"active": true}', omit: ["password"], …}
 * OUT: [{$match: {active: true}}, {$unset: ["password"]}]
 */
export function transformStages({ filter, only, omit, pipeline }: TransformOptions): Document[] {
  return [
    ...filter === "" ? [] : [{ $match: parseFilter(filter) }],
    ...only.length === 0 ? [] : [{ $project: Object.fromEntries(only.map((path) => [path, 1])) }],
    ...omit.length === 0 ? [] : [{ $unset: [...omit] }],
    ...pipeline === "" ? [] : parsePipeline(pipeline),
  ];
}

/** @throws RangeError */
export function parseFilter(text: string): Document {
  const filter = parse(text);
  if (!isDocument(filter)) throw new RangeError('is not a query such as {"active": true}');
  return filter;
}

/** @throws RangeError */
export function parsePipeline(text: string): Document[] {
  const stages = parse(text);
  if (!Array.isArray(stages) || !stages.every(isDocument)) {
    throw new RangeError('is not a list of stages such as [{"$unset": "secret"}]');
  }
  for (const stage of stages) {
    const [name = "(none)", ...more] = Object.keys(stage);
    if (more.length > 0 || !STAGES.has(name)) {
      throw new RangeError(`has a stage ${name}, which is none of ${[...STAGES.keys()].join(", ")}`);
    }
  }
  return stages;
}

/** @throws RangeError */
export function parsePaths(text: string): readonly string[] {
  const paths = text.split(",").map((path) => path.trim()).filter((path) => path !== "");
  for (const path of paths) {
    if (path === "_id") throw new RangeError("names _id, which every row needs");
    if (path.startsWith("$") || /(^|\.)(\.|$)/.test(path)) {
      throw new RangeError(`has no field path at ${JSON.stringify(path)}`);
    }
  }
  return paths;
}

function parse(text: string): unknown {
  try {
    return BSON.EJSON.parse(text, { relaxed: false });
  } catch (error) {
    throw new RangeError(`is not Extended JSON (${(error as Error).message})`);
  }
}

const isDocument = (value: unknown): value is Document =>
  value !== null && typeof value === "object" && Object.getPrototypeOf(value) === Object.prototype;
