/** The access of a server, from its file of keys and its issuer of tokens. */
import type { Clock } from '../clock.ts';
import { systemClock } from '../clock.ts';
import { MillraceError } from '../errors.ts';
import type { Log } from '../telemetry/log.ts';
import type { Access, Principal } from './access.ts';
import type { JwtOptions, TokenVerifier } from './jwt.ts';
import { KEY_PREFIX } from './key-text.ts';
import { watchKeyFile } from './key-watch.ts';
import type { KeyWatch } from './key-watch.ts';

export interface AccessOptions {
  /** Undefined = there are no keys. */
  readonly keys?: KeysOptions | undefined;
  /** Undefined = tokens are not taken. */
  readonly jwt?: JwtOptions | undefined;
  readonly log: Log;
  readonly clock?: Clock;
  /** Processes that share the port: each gives out its part of a key's rate. Default 1. */
  readonly processCount?: number;
}

export interface KeysOptions {
  readonly file: string;
  /** A file that is not there yet means that there are no keys yet; the first one closes the server. */
  readonly isOptional: boolean;
}

export interface OpenAccess extends Access {
  /** Reads the keys, and those of the issuer of tokens, again if they have changed. Never rejects. */
  reload(): Promise<void>;
}

/** @throws MillraceError KEYS_FAILED, STARTUP_FAILED */
export async function openAccess(options: AccessOptions): Promise<OpenAccess> {
  const { keys, jwt, log, clock = systemClock, processCount = 1 } = options;
  const tokens = jwt && (await openTokens(jwt, clock, log));
  try {
    const share = 1 / processCount;
    return join(keys && (await watchKeyFile({ ...keys, clock, log, share })), tokens);
  } catch (error) {
    tokens?.close();
    throw error;
  }
}

/** What tokens need is loaded where they are taken: starts would take longer for all others. */
async function openTokens(jwt: JwtOptions, clock: Clock, log: Log): Promise<TokenVerifier> {
  const { createTokenVerifier } = await import('./jwt.ts');
  return createTokenVerifier(jwt, clock, log);
}

function join(watch: KeyWatch | undefined, tokens: TokenVerifier | undefined): OpenAccess {
  const isOpen = (): boolean => watch?.hasKeys !== true && tokens === undefined;
  const anyone: Principal = {
    id: 'anyone',
    name: 'anyone',
    get isRevoked() {
      return !isOpen();
    },
    allows: () => true,
    take: () => undefined,
  };
  return {
    get isOpen() {
      return isOpen();
    },
    authenticate(credential) {
      if (isOpen()) return anyone;
      if (watch?.hasKeys === true && (tokens === undefined || credential.startsWith(KEY_PREFIX)))
        return watch.keyring.authenticate(credential);
      if (tokens !== undefined && credential.split('.', 4).length === 3) return tokens.verify(credential);
      throw new MillraceError(
        'UNAUTHENTICATED',
        'What was sent is neither a key nor a token of this server.',
      );
    },
    async reload() {
      await Promise.all([watch?.reload(), tokens?.refresh()]);
    },
    close() {
      watch?.close();
      tokens?.close();
    },
  };
}
