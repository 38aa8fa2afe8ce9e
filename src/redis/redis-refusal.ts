/** Why a Redis cannot be used, in a sentence with what to type. */
import { MillraceError } from '../errors.ts';
import type { RedisAddress } from './redis-address.ts';
import type { RedisCommand, RedisShard } from './redis-shard.ts';

/** Whose rights are asked for. */
export interface RedisUser {
  /** Undefined = the default user. */
  readonly name: string | undefined;
  /** Pattern of the keys that are read and written, as in an ACL rule. */
  readonly keyPattern: string;
  readonly isOfCluster: boolean;
}

/** What the user must be allowed to do, as a sentence with the command that allows it. */
export function permissionSentence(
  cause: Error,
  { name = 'default', keyPattern, isOfCluster }: RedisUser,
): string {
  const commands = '+@connection +@read +@write +@scripting +subscribe +info +time';
  const slots = isOfCluster ? ' +cluster|slots +cluster|info' : '';
  const rights = `~${keyPattern} &__redis__:invalidate ${commands}${slots}`;
  return `The user of Redis lacks a permission (${cause.message}). Type: ACL SETUSER ${name} ${rights}`;
}

export function permissionFailure(cause: Error, user: RedisUser): MillraceError {
  return new MillraceError('STARTUP_FAILED', permissionSentence(cause, user), { cause });
}

/** For what is looked at once, when a server or a command opens it. */
export const CHECK_TIMEOUT_MS = 5000;

/** Tries commands out; the refusal of the first that the user has no right to. */
export async function missingRight(
  shard: Pick<RedisShard, 'run'>,
  commands: readonly RedisCommand[],
): Promise<Error | undefined> {
  const replies = await shard.run(commands, CHECK_TIMEOUT_MS);
  return replies.find(
    (reply): reply is Error => reply instanceof Error && reply.message.startsWith('NOPERM'),
  );
}

export function startFailure(address: RedisAddress, user: RedisUser, cause: Error): MillraceError {
  // OpenSSL ends its messages with a line break.
  const message = cause.message.trim();
  if (message.startsWith('NOPERM')) return permissionFailure(cause, user);
  const sentence = `Redis at ${address.label}: ${reason(address, message)}.`;
  return new MillraceError('STARTUP_FAILED', sentence, { cause });
}

function reason({ kind, masterName, tls }: RedisAddress, message: string): string {
  if (/ sentinels? .*NOAUTH/.test(message))
    return 'its sentinels ask for a password; write redis+sentinel://host/name?sentinel_password=WORD';
  if (/ sentinels? .*WRONGPASS/.test(message)) return 'its sentinels refuse the user or the password';
  if (/invalid reply: null/.test(message))
    return `its sentinels know no master that is named "${masterName}"`;
  if (message.startsWith('NOAUTH')) return 'it asks for a password; write redis://:PASSWORD@host';
  if (message.startsWith('WRONGPASS')) return 'it refuses the user or the password';
  if (/alert (unknown ca|certificate required|bad certificate)/.test(message))
    return `it asks for a certificate of yours that it trusts (${message}); write ?cert=FILE&key=FILE`;
  if (/altnames/.test(message)) return `its certificate is for another host (${message})`;
  if (/certificate/.test(message)) return `its certificate is not trusted (${message}); write ?ca=FILE`;
  if (/ECONNREFUSED|ENOENT/.test(message))
    return `nothing listens ${kind === 'sentinel' ? 'at one of these addresses' : 'there'} (${message})`;
  if (/ECONNRESET|Protocol error/.test(message)) {
    const fix = tls === undefined ? 'TLS, write rediss' : 'a certificate of yours, write ?cert=FILE&key=FILE';
    return `it ends the connection (${message}); if it asks for ${fix}`;
  }
  if (message.startsWith('no answer') && tls !== undefined)
    return `it cannot be used (${message}); if it does not speak TLS, write redis`;
  return `it cannot be used (${message})`;
}

/** What no second try would change. */
export function isRefusal({ message }: Error): boolean {
  return /(^| because )(NOAUTH|WRONGPASS|NOPERM|ERR )|self.signed|certificate/.test(message);
}
