/**
 * The public keys that tokens are signed with: a JSON Web Key Set, from a file that is read again when it changes, or from the
 * address of its issuer. Each set of keys is a generation: whoever remembers a verified token must forget it with the next.
 */
import { hash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { createLocalJWKSet, createRemoteJWKSet, customFetch } from 'jose';
import type { FetchImplementation, JSONWebKeySet, JWK, JWTVerifyGetKey } from 'jose';
import { MillraceError } from '../errors.ts';
import { isRecord } from '../project/json-record.ts';
import { parseStrictJson } from '../project/strict-json.ts';
import type { Log } from '../telemetry/log.ts';

export interface TokenKeys {
  /** Finds the key of a token; may fetch the set. */
  readonly find: JWTVerifyGetKey;
  /** Changes when the set does. */
  readonly generation: number;
  /**
   * What is behind a key's id now: a text that changes when the key does, also when another one takes over its id. Undefined = no
   * key has the id. Without an id, one that changes with the set.
   */
  stateOf(keyId: string | undefined): string | undefined;
  /** Looks for a changed set now. Never rejects. */
  refresh(): Promise<void>;
  close(): void;
}

const FILE_INTERVAL_MS = 1000;
const FETCH_INTERVAL_MS = 5 * 60_000;
const FETCH_TIMEOUT_MS = 5000;
/** A token with an unknown key id makes the set be fetched, at most this often. */
const COOLDOWN_MS = 30_000;
/** A fetch that failed is not tried again for this long: else every call would ask an issuer that is down. */
const RETRY_MS = 1000;
const loopbackHosts: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]']);

/**
 * @param source the path of a file, or an address that begins with https:// (http:// for this machine only)
 * @throws MillraceError STARTUP_FAILED when the file cannot be used, or the address is none
 */
export async function openTokenKeys(source: string, log: Log): Promise<TokenKeys> {
  return /^https?:/i.test(source) ? openRemote(addressOf(source), log) : openFile(source, log);
}

function addressOf(source: string): URL {
  const url = URL.canParse(source) ? new URL(source) : undefined;
  if (url?.protocol === 'https:' || (url?.protocol === 'http:' && loopbackHosts.has(url.hostname)))
    return url;
  const sentence = `The address of the JWKS must begin with https:// (http:// goes to this machine only), not be ${source}.`;
  throw new MillraceError('STARTUP_FAILED', sentence);
}

function openRemote(url: URL, log: Log): TokenKeys {
  const remote = createRemoteJWKSet(url, {
    timeoutDuration: FETCH_TIMEOUT_MS,
    cooldownDuration: COOLDOWN_MS,
    // The set is refreshed below, where a failure keeps the keys that are there: a token is not refused for it.
    cacheMaxAge: Infinity,
    [customFetch]: createFetch(),
  });
  const current = createGeneration();
  const refresh = async (): Promise<void> => {
    try {
      await remote.reload();
      current.set(remote.jwks());
    } catch (error) {
      log.error(
        { url: url.href, cause: String(error) },
        'the JWKS could not be fetched; known keys are kept',
      );
    }
  };
  const find: JWTVerifyGetKey = async (header, token) => {
    try {
      return await remote(header, token);
    } finally {
      current.set(remote.jwks());
    }
  };
  return withTimer({ find, current, refresh }, FETCH_INTERVAL_MS);
}

function createFetch(): FetchImplementation {
  let failure: { readonly error: unknown; readonly untilMs: number } | undefined;
  return async (url, options) => {
    if (failure !== undefined && performance.now() < failure.untilMs) throw failure.error;
    try {
      const response = await fetch(url, options);
      failure = undefined;
      return response;
    } catch (error) {
      failure = { error, untilMs: performance.now() + RETRY_MS };
      throw error;
    }
  };
}

async function openFile(file: string, log: Log): Promise<TokenKeys> {
  let state = '';
  let find = createLocalJWKSet({ keys: [] });
  const current = createGeneration();
  const read = async (): Promise<void> => {
    const { ino, size, mtimeMs } = await stat(file);
    const found = `${ino} ${size} ${mtimeMs}`;
    if (found === state) return;
    // Said once for each state of the file.
    state = found;
    const keys = parseKeySet(await readFile(file));
    find = createLocalJWKSet(keys);
    current.set(keys);
  };
  try {
    await read();
  } catch (error) {
    const sentence = `The JWKS ${file} cannot be used: ${(error as Error).message}`;
    throw new MillraceError('STARTUP_FAILED', sentence, { cause: error });
  }
  let wasMissing = false;
  const refresh = async (): Promise<void> => {
    try {
      await read();
      wasMissing = false;
    } catch (error) {
      const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
      if (!isMissing || !wasMissing)
        log.error({ file }, `the JWKS cannot be used, known keys are kept: ${String(error)}`);
      wasMissing = isMissing;
    }
  };
  return withTimer(
    { find: async (header, token) => find(header, token), current, refresh },
    FILE_INTERVAL_MS,
  );
}

/** @throws Error */
function parseKeySet(bytes: Buffer): JSONWebKeySet {
  const data = parseStrictJson(bytes);
  if (isRecord(data) && Array.isArray(data['keys']) && data['keys'].every(isRecord))
    return data as unknown as JSONWebKeySet;
  throw new Error('it must be an object with a list "keys".');
}

interface Generation {
  readonly number: number;
  readonly stateOf: TokenKeys['stateOf'];
  set(keys: JSONWebKeySet | undefined): void;
}

function createGeneration(): Generation {
  let number = 0;
  let text = '';
  let states: ReadonlyMap<string, string> = new Map();
  return {
    get number() {
      return number;
    },
    stateOf: (keyId) => (keyId === undefined ? String(number) : states.get(keyId)),
    set(keys) {
      if (keys === undefined) return;
      const next = JSON.stringify(keys);
      if (next === text) return;
      text = next;
      number++;
      states = statesOf(keys);
    },
  };
}

/** Keys of different kinds may share an id. */
function statesOf({ keys }: JSONWebKeySet): ReadonlyMap<string, string> {
  const states = new Map<string, string>();
  for (const key of keys)
    if (key.kid !== undefined) states.set(key.kid, (states.get(key.kid) ?? '') + thumbprintOf(key));
  return states;
}

/** Of what makes a public key (RFC 7638), and nothing beside it. */
function thumbprintOf({ kty, crv, x, y, e, n }: JWK): string {
  return hash('sha256', JSON.stringify([kty, crv, x, y, e, n]), 'base64url');
}

function withTimer(
  { find, current, refresh }: Pick<TokenKeys, 'find' | 'refresh'> & { readonly current: Generation },
  intervalMs: number,
): TokenKeys {
  const timer = setInterval(() => void refresh(), intervalMs);
  timer.unref();
  return {
    find,
    refresh,
    get generation() {
      return current.number;
    },
    stateOf: current.stateOf,
    close: () => clearInterval(timer),
  };
}
