/**
 * Where a Redis is, as written on the command line:
 *   redis://[user:password@]host[:port][/db]         one server; rediss:// with TLS
 *   redis+unix:///path/to/redis.sock                  one server behind a socket
 *   redis+cluster://host:port,host:port               a cluster, found through any of these nodes
 *   redis+sentinel://host:port,host:port/name[/db]    the master that Sentinel calls `name`
 * With TLS, `?ca=FILE&cert=FILE&key=FILE` name PEM files. User and password are those of the servers with the rows; of
 * sentinels that ask for one, too, they are `?sentinel_user=NAME&sentinel_password=WORD`.
 */
import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import { MillraceError } from '../errors.ts';

export interface RedisAddress {
  readonly kind: 'server' | 'socket' | 'cluster' | 'sentinel';
  readonly hosts: readonly { readonly host: string; readonly port: number }[];
  /** Of a socket. */
  readonly path: string | undefined;
  readonly masterName: string | undefined;
  readonly db: number;
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** Of the sentinels themselves. */
  readonly sentinel: { readonly username: string | undefined; readonly password: string | undefined };
  readonly tls: ConnectionOptions | undefined;
  /** For messages: without user and password. */
  readonly label: string;
}

const REDIS_PORT = 6379;
const SENTINEL_PORT = 26_379;
const pattern =
  /^(?<scheme>rediss?)(?:\+(?<kind>unix|cluster|sentinel))?:\/\/(?:(?<user>[^@/?]*)@)?(?<hosts>[^/?]*)(?<path>\/[^?]*)?(?:\?(?<query>.*))?$/;
const examples =
  'write redis://host:6379, redis+unix:///path.sock, redis+cluster://host:7001,host:7002 or ' +
  'redis+sentinel://host:26379/name; rediss with TLS';

/** @throws MillraceError STARTUP_FAILED */
export function parseRedisAddress(text: string): RedisAddress {
  const groups = pattern.exec(text)?.groups;
  if (groups === undefined) throw wrong('it is not a Redis address', examples);
  const { scheme, kind: named, user, path: pathText = '' } = groups;
  const kind =
    named === undefined ? 'server' : named === 'unix' ? 'socket' : (named as 'cluster' | 'sentinel');
  const [username, password] = credentials(user);
  // Parts of a password, then: no message may show them, and no name server be asked for them.
  const isSplit = [groups['hosts'], named === 'unix' ? '' : pathText, groups['query']].some((part = '') =>
    part.replace(/=[^&]*/g, '').includes('@'),
  );
  if (isSplit) throw notEncoded();
  const query = parseQuery(groups['query'] ?? '', scheme === 'rediss', kind);
  const names = pathText.split('/').filter((part) => part !== '');
  const masterName = kind === 'sentinel' ? names.shift() : undefined;
  if (kind === 'sentinel' && masterName === undefined)
    throw wrong('it names no master', 'write redis+sentinel://host:26379/name');
  const hosts = kind === 'socket' ? [] : parseHosts(groups['hosts'] ?? '', kind);
  const db = kind === 'socket' ? 0 : parseDb(names, kind);
  return {
    kind,
    hosts,
    path: kind === 'socket' ? pathText : undefined,
    masterName,
    db,
    username,
    password,
    sentinel: {
      username: query.get('sentinel_user') ?? undefined,
      password: query.get('sentinel_password') ?? undefined,
    },
    tls: scheme === 'rediss' ? tlsOptions(query) : undefined,
    label: `${text.slice(0, text.indexOf('://'))}://${groups['hosts'] ?? ''}${pathText}`,
  };
}

function wrong(what: string, fix: string): MillraceError {
  return new MillraceError('STARTUP_FAILED', `The address of Redis cannot be used: ${what}; ${fix}.`);
}

function credentials(text: string | undefined): [string | undefined, string | undefined] {
  if (text === undefined || text === '') return [undefined, undefined];
  const at = text.indexOf(':');
  try {
    const username = decodeURIComponent(at === -1 ? text : text.slice(0, at));
    const password = at === -1 ? undefined : decodeURIComponent(text.slice(at + 1));
    return [username === '' ? undefined : username, password];
  } catch {
    throw notEncoded();
  }
}

function notEncoded(): MillraceError {
  return wrong('its user or password is not percent-encoded', 'write % as %25, @ as %40, / as %2F, ? as %3F');
}

function parseHosts(text: string, kind: string): { host: string; port: number }[] {
  const defaultPort = kind === 'sentinel' ? SENTINEL_PORT : REDIS_PORT;
  const hosts = text.split(',').map((item) => {
    const match = /^(?<host>\[[^\]]+\]|[^:[\]]+)(?::(?<port>\d{1,5}))?$/.exec(item)?.groups;
    const port = Number(match?.['port'] ?? defaultPort);
    if (match === undefined || port < 1 || port > 65_535) throw wrong(`"${item}" is not host:port`, examples);
    return { host: (match['host'] as string).replace(/^\[|\]$/g, ''), port };
  });
  if (kind === 'server' && hosts.length > 1)
    throw wrong('it names several hosts', 'write redis+cluster:// or redis+sentinel:// for those');
  return hosts;
}

function parseDb(names: readonly string[], kind: string): number {
  const [text = '0', ...more] = names;
  if (!/^\d{1,5}$/.test(text) || more.length > 0)
    throw wrong(`"/${names.join('/')}" is not a database number`, 'write /0 to /15, or nothing');
  if (kind === 'cluster' && Number(text) !== 0)
    throw wrong('a cluster has database 0 only', 'leave the number out');
  return Number(text);
}

const tlsFiles = ['ca', 'cert', 'key'] as const;

const sentinelOptions = ['sentinel_user', 'sentinel_password'] as const;

function parseQuery(text: string, isTls: boolean, kind: string): URLSearchParams {
  // A plus is a plus, as in the rest of the address.
  const query = new URLSearchParams(text.replaceAll('+', '%2B'));
  for (const name of query.keys()) {
    const isOfTls = (tlsFiles as readonly string[]).includes(name);
    if (!isOfTls && !(sentinelOptions as readonly string[]).includes(name))
      throw wrong(
        `it has an unknown option "${name}"`,
        'options are ca, cert, key, sentinel_user and sentinel_password',
      );
    if (isOfTls && !isTls) throw wrong(`the option "${name}" needs TLS`, 'write rediss');
    if (!isOfTls && kind !== 'sentinel')
      throw wrong(`the option "${name}" is for sentinels`, 'write redis+sentinel://host:26379/name');
  }
  return query;
}

function tlsOptions(query: URLSearchParams): ConnectionOptions {
  const options: Partial<Record<(typeof tlsFiles)[number], Buffer>> = {};
  for (const name of tlsFiles) {
    const file = query.get(name);
    if (file !== null) options[name] = readPem(file);
  }
  return options;
}

function readPem(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw wrong(`the file ${file} cannot be read (${(error as Error).message})`, 'name a PEM file');
  }
}
