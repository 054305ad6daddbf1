/** Compares the deployment with the one that the saved position is of, so that a wrong URL deletes no rows. */
import type { StreamPosition } from "../../sink/metadata/stream_position.ts";
import type { CausalReader } from "../../source/connection/causal_reader.ts";
import { collectionsOf } from "../../source/documents/collections.ts";
import { OtherDeploymentError } from "../../source/connection/mongodb_errors.ts";
import type { FoundCollection } from "../../source/documents/scope.ts";
import { deploymentOf, differenceOf } from "../../source/documents/source_identity.ts";
import { UserError } from "../../util/errors.ts";
import { QUIET } from "../../util/log.ts";
import type { RelaySettings } from "../settings.ts";

export interface OriginDeps {
  readonly position: { readonly stream: string; readonly state: Pick<StreamPosition["state"], "origin"> };
  readonly settings: Pick<RelaySettings, "snapshot">;
}

/** What a deployment is recognised by. */
export interface FoundDeployment {
  readonly collections: readonly FoundCollection[];
  /** The identity of the replica set; undefined if MongoDB does not report it. */
  readonly deployment: string | undefined;
}

/**
 * Does nothing if the deployment is the one that was followed.
 *
 * @throws UserError if it is another one; OtherDeploymentError if `--snapshot always` has its documents replace the rows
 */
export function checkOrigin(
  { collections, deployment }: FoundDeployment,
  { position, settings }: OriginDeps,
): void {
  const difference = differenceOf(position.state.origin, collections, deployment);
  if (difference === undefined) return;
  if (settings.snapshot === "always") {
    throw new OtherDeploymentError(`this is another deployment: ${difference}`);
  }
  throw new UserError(
    `This is another deployment than the one that ${position.stream} has followed: ${difference}.`,
    {
      hint: "No row was changed. Check MONGODB_URL. If it is right, start once with --snapshot always: all " +
        "documents are written again, and rows without a document removed. Or begin a new stream: " +
        `forget --stream '${position.stream}'`,
    },
  );
}

/** Asks MongoDB, then does what {@linkcode checkOrigin} does. */
export async function checkOriginNow(
  { causalReader, position, settings }: OriginDeps & {
    readonly causalReader: CausalReader;
    readonly settings: RelaySettings;
  },
): Promise<void> {
  const collections = await collectionsOf(causalReader, settings.scope, { log: QUIET });
  checkOrigin({ collections, deployment: await deploymentOf(causalReader) }, { position, settings });
}
