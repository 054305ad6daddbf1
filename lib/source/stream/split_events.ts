/** Joins events over 16 MB, which arrive in fragments, each with some of the event's fields. */
import { type BsonValue, fieldsByName, int32At } from "../../bson/bson.ts";
import { type EventFields, joinedFields } from "./event.ts";

/** Joins fragments, over as many replies as they take. */
export class SplitEvents {
  #pending: EventFields | undefined;

  /** Whether an event lacks fragments. No position may be saved then. */
  get incomplete(): boolean {
    return this.#pending !== undefined;
  }

  /**
   * The whole event, or undefined until its last fragment.
   *
   * @example
   * IN: {documentKey, splitEvent: {fragment: 1, of: 2}} → OUT: undefined
   * IN: {fullDocument, splitEvent: {fragment: 2, of: 2}} → OUT: {documentKey, fullDocument, …}
   *
   * @see https://www.mongodb.com/docs/manual/reference/operator/aggregation/changeStreamSplitLargeEvent/
   */
  join(event: EventFields): EventFields | undefined {
    if (!event.splitEvent) return event;
    const { fragment, of } = numbers(event.splitEvent);
    const whole = fragment === 1 || !this.#pending ? event : joinedFields(this.#pending, event);
    this.#pending = fragment === of ? undefined : whole;
    return fragment === of ? whole : undefined;
  }
}

function numbers({ bytes, offset }: BsonValue): { fragment: number; of: number } {
  const split = fieldsByName(bytes, offset);
  const number = (name: string): number => {
    const value = split.get(name);
    return value ? int32At(value.bytes, value.offset) : 0;
  };
  return { fragment: number("fragment"), of: number("of") };
}
