/** The certificate of a server: two files, which are looked at for a new one while it runs. */
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { MillraceError } from '../errors.ts';
import type { Log } from '../telemetry/log.ts';

export interface TlsFiles {
  /** In PEM: the certificate of the server, then those of who vouches for it. */
  readonly certFile: string;
  /** In PEM, without a password. */
  readonly keyFile: string;
}

export interface CertificateWatch {
  /** Looks at once. */
  look(): Promise<void>;
  close(): void;
}

const LOOK_MS = 1000;

/**
 * What the files hold.
 * @throws MillraceError STARTUP_FAILED if they cannot be read, or do not belong together
 */
export async function readCertificate({ certFile, keyFile }: TlsFiles): Promise<string> {
  const [cert, key] = await Promise.all([readPem(certFile, '--tls-cert'), readPem(keyFile, '--tls-key')]);
  try {
    createSecureContext({ cert, key, minVersion: 'TLSv1.2' });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const sentence = `${certFile} and ${keyFile} cannot be used for TLS (${reason}): both must be PEM, the key without a password, and belong together.`;
    throw new MillraceError('STARTUP_FAILED', sentence, { cause });
  }
  return `${cert}\n${key}`;
}

/**
 * Calls `onRenewed` when the files hold another certificate that can be used. One that cannot is logged, and the last one
 * stays.
 * @param served as `readCertificate` read it
 */
export function watchCertificate(
  files: TlsFiles,
  served: string,
  log: Log,
  onRenewed: () => Promise<void>,
): CertificateWatch {
  let last = served;
  let complaint = '';
  const look = async (): Promise<void> => {
    try {
      const now = await readCertificate(files);
      complaint = '';
      if (now === last) return;
      await onRenewed();
      last = now;
      log.info({ cert: files.certFile }, 'new connections get the new certificate');
    } catch (error) {
      const { message } = error as Error;
      // Between the renewals of its two files they do not fit; and a fault that stays is told once.
      if (message !== complaint) log.error({ because: message }, 'the certificate stays as it was');
      complaint = message;
    }
  };
  let looking: Promise<void> = Promise.resolve();
  const lookNext = async (): Promise<void> => {
    looking = looking.then(look);
    return looking;
  };
  const timer = setInterval(() => void lookNext(), LOOK_MS);
  timer.unref();
  return { look: lookNext, close: () => clearInterval(timer) };
}

async function readPem(file: string, option: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    const sentence = `${option} ${file} cannot be read (${(cause as NodeJS.ErrnoException).code ?? String(cause)}).`;
    throw new MillraceError('STARTUP_FAILED', sentence, { cause });
  }
}
