import { UserError } from "../../lib/util/errors.ts";

/** A server is not available on this machine. Callers catch it to use another one, or to skip tests. */
export class NoServerError extends UserError {}
