/** JSON Web Tokens and the keys that they are checked with. */
import { Buffer } from "node:buffer";
import { generateKeyPairSync, sign } from "node:crypto";

const KEY_ID = "test";

export interface TokenIssuer {
  /** What a JWKS endpoint answers. */
  readonly jwks: string;
  /** A token that expires so many seconds from now. */
  issue(claims: Readonly<Record<string, unknown>>, expiresInSeconds: number): string;
}

/** @example IN: {iss: "http://…/jwks.json", username: "relay"}, 60 → OUT: "eyJ….eyJ….…" */
export function tokenIssuer(): TokenIssuer {
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2_048 });
  const encode = (part: unknown): string => Buffer.from(JSON.stringify(part)).toString("base64url");
  return {
    jwks: JSON.stringify({
      keys: [{ ...publicKey.export({ format: "jwk" }), kid: KEY_ID, use: "sig" }],
    }),
    issue(claims, expiresInSeconds) {
      const exp = Math.floor(Date.now() / 1_000) + expiresInSeconds;
      const signed = `${encode({ alg: "RS256", typ: "JWT", kid: KEY_ID })}.${encode({ ...claims, exp })}`;
      return `${signed}.${sign("RSA-SHA256", Buffer.from(signed), privateKey).toString("base64url")}`;
    },
  };
}
