/** A JSON Web Token: three parts of base64url, of which the first two are JSON objects. */
export const WEB_TOKEN = /e[wy][\w-]*\.e[wy][\w-]*\.[\w-]+/;

/** The part before a password: `scheme://user:`. */
const USER = /^((?:\s*[a-z][\w+.-]*:\/\/)?(?!\/\/)[^:@/]*):(?!\/\/)/i;
/** Any other colon that may precede a password. */
const COLON = /:(?!\/\/)/;
/** The name of a parameter, with its delimiters. */
const PARAMETER = /[?&][^=&]*=?/g;
const SECRET_NAME = /password|secret|token|[?&]authMechanismProperties=$/i;
const END_OF_VALUE = /[&#\s]|$/g;

/**
 * A URL that is safe to print: `***` replaces its password and secret parameters. Malformed URLs are masked too, rather
 * more than less. Takes linear time, because texts like URLs may be values of documents.
 * @example IN: crate://admin:s3cr/et@db.example.org/ → OUT: crate://admin:***@db.example.org/
 */
export const maskUrl = (url: string): string => maskParameters(maskLogin(url));

/** Hides everything before the last @ that may be a password. */
function maskLogin(url: string): string {
  const end = url.lastIndexOf("@");
  const login = url.slice(0, Math.max(end, 0));
  const [, user] = USER.exec(login) ?? [];
  if (user !== undefined) return `${user}:***${url.slice(end)}`;
  return COLON.test(login) ? `***${url.slice(end)}` : url;
}

function maskParameters(url: string): string {
  let masked = "";
  let at = 0;
  PARAMETER.lastIndex = 0;
  for (let found = PARAMETER.exec(url); found; found = PARAMETER.exec(url)) {
    if (!found[0].endsWith("=") || !SECRET_NAME.test(found[0])) continue;
    masked += `${url.slice(at, PARAMETER.lastIndex)}***`;
    END_OF_VALUE.lastIndex = PARAMETER.lastIndex;
    at = PARAMETER.lastIndex = END_OF_VALUE.exec(url)?.index ?? url.length;
  }
  return masked + url.slice(at);
}

const WEB_TOKENS = new RegExp(`(?<![\\w-])${WEB_TOKEN.source}`, "g");

/** Masks every URL and every JSON Web Token in a text. @example IN: at mongodb://me:pw@db/ → OUT: at mongodb://me:***@db/ */
export function maskSecrets(text: string): string {
  // Matches only at the start of a word: linear time for long words.
  return text.replace(/(?<![a-z0-9+.-])[a-z0-9+.-]+:\/\/\S+/gi, maskUrl).replace(WEB_TOKENS, "***");
}
