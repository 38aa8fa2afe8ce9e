/** A server without keys is for this machine only, unless its owner says otherwise. */
import { BlockList, isIP } from 'node:net';
import type { Access } from '../access/access.ts';
import { MillraceError } from '../errors.ts';
import type { Log } from '../telemetry/log.ts';
import type { ServerOptions } from './server-options.ts';

/**
 * Says who may do what, where there are no keys.
 * @param keysFile where keys were looked for; undefined = nowhere
 * @param log undefined = another process of the server says it
 * @throws MillraceError STARTUP_FAILED when others than this machine could reach an open server
 */
export function checkOpen(
  { isOpen }: Access,
  { host, insecure = false, keysFile }: Pick<ServerOptions, 'insecure' | 'keysFile'> & { host: string },
  log: Pick<Log, 'info' | 'warn'> | undefined,
): void {
  if (!isOpen) return;
  // Keys that were made for another project or data folder are not found: who made them should see where to look.
  const where = keysFile === undefined ? '' : ` in ${keysFile}`;
  if (isLoopback(host)) {
    log?.info({ host }, `there are no keys${where}: everybody on this machine may do everything`);
    return;
  }
  if (!insecure) {
    const sentence = `${host} can be reached from other machines, and there are no keys${where}: make one with "millrace keys create", or open the server to everybody who reaches its port with --insecure (in a program: insecure: true).`;
    throw new MillraceError('STARTUP_FAILED', sentence);
  }
  log?.warn(
    { host },
    `there are no keys${where}: everybody who reaches the port may do everything (--insecure)`,
  );
}

/** Whether only this machine reaches the address. A name is looked up by the system, so only the one that is fixed counts. */
export function isLoopback(host: string): boolean {
  const kind = isIP(host);
  if (kind === 0) return host.toLowerCase() === 'localhost';
  const loopback = new BlockList();
  loopback.addSubnet('127.0.0.0', 8, 'ipv4');
  loopback.addAddress('::1', 'ipv6');
  return loopback.check(host, kind === 6 ? 'ipv6' : 'ipv4');
}
