/** An authority of one test, made by `openssl`, which signs certificates for servers and clients. */
import { isIP } from "node:net";
import { join } from "node:path";

export interface Authority extends AsyncDisposable {
  /** The folder of all files; it is removed with the authority. */
  readonly folder: string;
  /** PEM file of the authority's own certificate. */
  readonly ca: string;
  /** Issues a certificate, for a host or for none, as PEM files. */
  issue(subject: string, host?: string): Promise<Issued>;
  /** The certificate and its key in one file, as a Java VM reads them. */
  pkcs12(issued: Issued, password: string): Promise<Uint8Array>;
}

export interface Issued {
  readonly cert: string;
  readonly key: string;
  /** The file that has both. */
  readonly both: string;
}

export const hasOpenssl = await openssl(["version"]).then(() => true, () => false);

const REQUEST = "[req]\ndistinguished_name = subject\n[subject]\n";
const NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];

/** @example IN: makeAuthority(), issue("/CN=relay") → OUT: {cert: "/tmp/…/1.pem", key: "/tmp/…/1.key"} */
export async function makeAuthority(): Promise<Authority> {
  const folder = await Deno.makeTempDir();
  const config = join(folder, "request.cnf");
  await Deno.writeTextFile(config, REQUEST);
  const request = async (name: string, subject: string, args: readonly string[]): Promise<Issued> => {
    const [cert, key] = [join(folder, `${name}.pem`), join(folder, `${name}.key`)];
    const files = ["-keyout", key, "-out", cert];
    await openssl(["req", "-x509", "-config", config, "-subj", subject, ...NEW_KEY, ...files, ...args]);
    const both = join(folder, `${name}.both.pem`);
    await Deno.writeTextFile(both, await Deno.readTextFile(cert) + await Deno.readTextFile(key));
    return { cert, key, both };
  };
  const own = await request("ca", "/CN=an authority", ["-addext", "basicConstraints=critical,CA:TRUE"]);
  let issued = 0;
  return {
    folder,
    ca: own.cert,
    issue: (subject, host) =>
      request(`${++issued}`, subject, [
        ...["-CA", own.cert, "-CAkey", own.key],
        ...["-addext", "basicConstraints=critical,CA:FALSE"],
        ...host === undefined ? [] : ["-addext", `subjectAltName=${isIP(host) ? "IP" : "DNS"}:${host}`],
      ]),
    async pkcs12({ both }, password) {
      const path = `${both}.p12`;
      await openssl(["pkcs12", "-export", "-in", both, "-out", path, "-passout", `pass:${password}`]);
      return await Deno.readFile(path);
    },
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}

async function openssl(args: readonly string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("openssl", { args: [...args], stdout: "null" }).output();
  if (!success) throw new Error(`openssl ${args[0]}: ${new TextDecoder().decode(stderr)}`);
}
