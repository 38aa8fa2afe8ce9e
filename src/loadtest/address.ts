/**
 * The address of the server under test. Its name is looked up once, so that what was checked to be this machine is
 * also what gets the load.
 */
import { lookup } from 'node:dns/promises';
import { BlockList, isIPv6 } from 'node:net';
import { MillraceError } from '../errors.ts';

export interface Address {
  /** As it was given: `http://127.0.0.1:8080`. */
  readonly origin: string;
  /** For the Host header. */
  readonly host: string;
  readonly ip: string;
  readonly port: number;
  readonly isLoopback: boolean;
}

const DEFAULT_PORT = 80;

/** What is wrong with the URL of a server, in a sentence; undefined = nothing. */
export function urlProblem(url: string): string | undefined {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || !parsed.protocol.match(/^(https?|wss?):$/))
    return `"${url}" is not a URL such as http://127.0.0.1:8080`;
  if (parsed.protocol !== 'http:') {
    const fix =
      parsed.protocol === 'ws:' ? 'write http://, and --protocol ws' : 'the load is sent without TLS';
    return `"${url}": only http:// is supported; ${fix}`;
  }
  // Not repeated: the password would be shown.
  if (parsed.username !== '' || parsed.password !== '')
    return 'a name or password in the URL is not sent; leave it out';
  if (parsed.pathname !== '/' || parsed.search !== '' || parsed.hash !== '')
    return `"${url}" says more than the server; write ${parsed.origin}, and --endpoint or --path beside it`;
  return undefined;
}

/** @throws MillraceError LOADTEST_FAILED when the URL is not that of a server with plain HTTP, or its host is not known */
export async function resolveAddress(url: string): Promise<Address> {
  const problem = urlProblem(url);
  if (problem !== undefined) throw new MillraceError('LOADTEST_FAILED', problem);
  const parsed = new URL(url);
  const name = parsed.hostname.replace(/^\[|\]$/g, '');
  const ip = await lookUp(name);
  const port = parsed.port === '' ? DEFAULT_PORT : Number(parsed.port);
  return { origin: parsed.origin, host: parsed.host, ip, port, isLoopback: isLoopback(ip) };
}

async function lookUp(name: string): Promise<string> {
  try {
    return (await lookup(name)).address;
  } catch (cause) {
    throw new MillraceError('LOADTEST_FAILED', `there is no host "${name}"`, { cause });
  }
}

function isLoopback(ip: string): boolean {
  const loopback = new BlockList();
  loopback.addSubnet('127.0.0.0', 8, 'ipv4');
  loopback.addAddress('::1', 'ipv6');
  return loopback.check(ip, isIPv6(ip) ? 'ipv6' : 'ipv4');
}
