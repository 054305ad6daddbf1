import { WEB_TOKEN } from "./web_token.ts";

const USERINFO = /^(\s*(?:[a-z][\w+.-]*:\/\/)?(?!\/\/)[^:@/]*):(?!\/\/).*@/is;
/** For other forms: hides everything before the last @ that may be a password. */
const OTHERWISE = /^(?=.*:(?!\/\/).*@).*@/s;
const SECRET_PARAMETER = /([?&](?:[^=&]*(?:password|secret|token)[^=&]*|authMechanismProperties)=)[^&#\s]*/gi;

/**
 * A URL that is safe to print: its password, and parameters that hold secrets, become `***`.
 *
 * Works on malformed URLs too. When in doubt it hides more.
 *
 * IN: `crate://admin:s3cr/et@db.example.org/?ssl=true`
 *
 * OUT: `crate://admin:***@db.example.org/?ssl=true`
 */
export function maskUrl(url: string): string {
  const masked = USERINFO.test(url) ? url.replace(USERINFO, "$1:***@") : url.replace(OTHERWISE, "***@");
  return masked.replace(SECRET_PARAMETER, "$1***");
}

const WEB_TOKENS = new RegExp(`(?<![\\w-])${WEB_TOKEN.source}`, "g");

/**
 * A text in which every URL is masked, and every JSON Web Token hidden.
 *
 * IN: `cannot reach mongodb://root:pw@localhost:27017/ with eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.c2lnbmF0dXJl`
 *
 * OUT: `cannot reach mongodb://root:***@localhost:27017/ with ***`
 */
export function maskSecrets(text: string): string {
  // Matches only at the start of a word, so that a long word is not scanned from each of its letters.
  return text.replace(/(?<![a-z0-9+.-])[a-z0-9+.-]+:\/\/\S+/gi, maskUrl).replace(WEB_TOKENS, "***");
}
