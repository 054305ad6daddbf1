/** Files of certificates and keys. */
import { readFileSync } from "node:fs";

/**
 * What is in a file of certificates.
 *
 * @throws RangeError
 */
export const certificateFile = (path: string): string =>
  pemFile(path, /-----BEGIN CERTIFICATE-----/, "a certificate");

/**
 * What is in a file of a private key.
 *
 * @throws RangeError
 */
export function privateKeyFile(path: string): string {
  const pem = pemFile(path, /-----BEGIN [A-Z ]*PRIVATE KEY-----/, "a private key");
  if (/-----BEGIN ENCRYPTED|^Proc-Type:.*ENCRYPTED/m.test(pem)) {
    throw new RangeError("names a file with a key that needs a passphrase");
  }
  return pem;
}

function pemFile(path: string, block: RegExp, what: string): string {
  const pem = textOf(path);
  if (!block.test(pem)) throw new RangeError(`names a file without ${what} in PEM`);
  return pem;
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    throw new RangeError("names a file that cannot be read");
  }
}
