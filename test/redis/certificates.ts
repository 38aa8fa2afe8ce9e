/** Certificates for tests, made by openssl: an authority, and what it has signed. */
import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export const hasOpenssl: boolean = spawnSync('openssl', ['version'], { stdio: 'ignore' }).status === 0;

/** Paths of PEM files. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

export interface Authority {
  readonly ca: string;
  /** A certificate for 127.0.0.1 and localhost, signed by the authority. */
  issue(name: string): Promise<Certificate>;
  remove(): Promise<void>;
}

export async function createAuthority(): Promise<Authority> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-ca-'));
  const openssl = async (...args: readonly string[]): Promise<unknown> => run('openssl', args, { cwd: dir });
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  await openssl('req', '-x509', ...newKey, '-keyout', 'ca.key', '-out', 'ca.crt', '-subj', '/CN=authority');
  await writeFile(join(dir, 'names'), 'subjectAltName=IP:127.0.0.1,DNS:localhost');
  return {
    ca: join(dir, 'ca.crt'),
    async issue(name) {
      const [key, request, cert] = [`${name}.key`, `${name}.csr`, `${name}.crt`];
      await openssl('req', ...newKey, '-keyout', key, '-out', request, '-subj', `/CN=${name}`);
      const signer = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-extfile', 'names'];
      await openssl('x509', '-req', '-in', request, ...signer, '-out', cert);
      return { cert: join(dir, cert), key: join(dir, key) };
    },
    remove: async () => rm(dir, { recursive: true, force: true }),
  };
}
