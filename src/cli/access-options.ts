/** The options that say where keys are kept, and with which key a command calls a server. */
import { join } from 'node:path';
import { Option } from 'commander';
import type { Command } from 'commander';
import type { JwtOptions } from '../access/jwt.ts';
import { openAccess } from '../access/open-access.ts';
import type { OpenAccess } from '../access/open-access.ts';
import { MillraceError } from '../errors.ts';
import type { Log } from '../telemetry/log.ts';

const KEYS_VARIABLE = 'MILLRACE_KEYS';
const KEY_VARIABLE = 'MILLRACE_KEY';

export interface KeysPlace {
  readonly project: string;
  readonly data?: string;
  readonly keys?: string;
}

export function addKeysOption(command: Command): Command {
  return command.addOption(
    new Option('--keys <file>', 'the file of keys (default: keys.json in the data folder)').env(
      KEYS_VARIABLE,
    ),
  );
}

/** The file that is meant: named, or the one of the data folder. */
export function keysFileOf({ project, data, keys = '' }: KeysPlace): string {
  return keys === '' ? join(data ?? join(project, '.millrace'), 'keys.json') : keys;
}

/** What a server needs to know of who may do what. */
export interface AccessOptions extends KeysPlace {
  readonly jwtJwks?: string;
  readonly jwtIssuer?: string;
  readonly jwtAudience?: string;
  readonly insecure?: boolean;
  readonly auditLog?: string;
}

export function addAccessOptions(command: Command): Command {
  return addKeysOption(command)
    .addOption(
      new Option(
        '--jwt-jwks <source>',
        'take tokens that are signed with these public keys: a file, or an https address',
      ).env('MILLRACE_JWT_JWKS'),
    )
    .addOption(new Option('--jwt-issuer <name>', 'who issues the tokens (iss)').env('MILLRACE_JWT_ISSUER'))
    .addOption(
      new Option('--jwt-audience <name>', 'whom the tokens are for (aud)').env('MILLRACE_JWT_AUDIENCE'),
    )
    .option('--insecure', 'without keys, let everybody who reaches the port do everything')
    .addOption(
      new Option(
        '--audit-log <file>',
        'where changes are written down (default: audit.ndjson in the data folder)',
      ).env('MILLRACE_AUDIT_LOG'),
    );
}

/**
 * Who may do what on the server that a command starts.
 * @param processCount that share the port
 * @throws MillraceError STARTUP_FAILED, KEYS_FAILED
 */
export async function openServerAccess(
  options: AccessOptions,
  log: Log,
  processCount: number,
): Promise<OpenAccess> {
  const file = keysFileOf(options);
  const keys = { file, isOptional: (options.keys ?? '') === '' };
  return openAccess({ keys, jwt: jwtOf(options), log, processCount });
}

function jwtOf({ jwtJwks = '', jwtIssuer = '', jwtAudience = '' }: AccessOptions): JwtOptions | undefined {
  const parts = [jwtJwks, jwtIssuer, jwtAudience];
  if (parts.every((part) => part === '')) return undefined;
  if (parts.every((part) => part !== '')) return { jwks: jwtJwks, issuer: jwtIssuer, audience: jwtAudience };
  const sentence = 'Tokens need all three of --jwt-jwks, --jwt-issuer and --jwt-audience.';
  throw new MillraceError('STARTUP_FAILED', sentence);
}

/** Arguments can be read by everybody on the machine, which the help says. */
export function addKeyOption(command: Command): Command {
  return command.addOption(
    new Option(
      '--key <key>',
      'the key to call the server with; other users of this machine can read options, not the environment',
    ).env(KEY_VARIABLE),
  );
}

/** The header of a call with a key; none without one. */
export function keyHeaders(key: string | undefined): Readonly<Record<string, string>> {
  return key === undefined || key === '' ? {} : { authorization: `Bearer ${key}` };
}
