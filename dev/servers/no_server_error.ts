import { UserError } from "../../lib/util/errors.ts";

/** A server cannot be had here: what a caller catches to go on with another one, or without. */
export class NoServerError extends UserError {}
