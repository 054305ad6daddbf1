/** Named to be the last test file, so that right above the summary stands which servers the tests had. */
import { sharedServers } from "./support/shared_server.ts";

const ignored = "; the tests that need it were ignored (start Docker, or set its URL)";
const line = sharedServers().map(({ description, server }) => `${description}${server ? "" : ignored}`).join(
  ". ",
);
if (line) Deno.stderr.writeSync(new TextEncoder().encode(`${line}\n`));
