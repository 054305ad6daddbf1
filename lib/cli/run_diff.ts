/** Runs `config diff`: compares a file with the settings that the relay of each stream has saved. */
import { changesOfStream, changeText, contentOf, EFFECTS } from "../config/effective.ts";
import type { StreamSettings } from "../config/relay_file.ts";
import { rewordFor } from "../config/origins.ts";
import type { Given } from "../config/read.ts";
import type { Names } from "../pipeline/settings.ts";
import { openTransport } from "../sink/connection/open_transport.ts";
import { ifExists } from "../sink/connection/sink_error.ts";
import { queryNumber, refreshTable, type Transport } from "../sink/connection/transport.ts";
import { savedName } from "../sink/metadata/saved_position.ts";
import { SavedCollections } from "../sink/metadata/saved_collections.ts";
import { readSettings } from "../sink/metadata/saved_settings.ts";
import { isSameTable, quoteTable, tableFor, type TableName } from "../sink/sql/names.ts";
import type { Namespace } from "../util/namespace.ts";
import type { CommandContext } from "./command.ts";
import { reworded } from "./reworded.ts";
import { openFile } from "./run_config.ts";

/** The relay has other settings. */
const DIFFERENT = 3;

/** Prints what would change if the relay read the file again. Returns the exit code. */
export async function diffFile(given: Given, { print }: Pick<CommandContext, "print">): Promise<number> {
  let isSame = true;
  for (const stream of openFile(given).streams) {
    const { settings: { sink, namesIn }, name } = stream;
    await using transport = await openTransport(sink).catch((error) => {
      throw reworded(error, rewordFor(stream.given));
    });
    const names = namesIn(transport.dialect.schema ?? sink.schema);
    const lines = await differences(transport, stream, names);
    isSame &&= lines.length === 0;
    print(lines.length === 0 ? `${name}: the relay has these settings` : `${name}:\n  ${lines.join("\n  ")}`);
  }
  return isSame ? 0 : DIFFERENT;
}

async function differences(
  transport: Transport,
  stream: StreamSettings,
  { metadataSchema: schema, stream: wanted, tableOf }: Names,
): Promise<string[]> {
  const name = { schema, stream: await savedName(transport, { schema, stream: wanted }) };
  const before = await readSettings(transport, name);
  if (before === undefined) {
    return [`No relay has saved settings of ${name.stream}: it is a new stream`];
  }
  const changes = changesOfStream(JSON.parse(before), stream)
    .map((change) => `${changeText(change)}: ${EFFECTS[change.reload]}`);
  const isOutdated = contentOf(stream).isOutdated(before);
  const isMoved = (each: Namespace, table: TableName) =>
    !isSameTable(tableFor(tableOf(each), each, transport.dialect), table);
  const outdated = (await new SavedCollections(transport, name).list())
    .flatMap((each) => each.table && (isOutdated(each) || isMoved(each, each.table)) ? [each.table] : []);
  if (outdated.length === 0) return changes;
  let rows = 0;
  for (const table of outdated) {
    const count = async () => {
      await refreshTable(transport, table);
      return await queryNumber(transport, `SELECT count(*) FROM ${quoteTable(table)}`);
    };
    rows += await ifExists(count()) ?? 0;
  }
  const snapshot = `Collections that need a snapshot: ${outdated.length}, with ${rows} rows in their tables`;
  return [...changes, snapshot];
}
