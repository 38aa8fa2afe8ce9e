/**
 * Tokens of an identity provider (JSON Web Tokens). Signed with a private key only: a token that says `none`, or one that is
 * signed with a shared secret, which could be the public key itself, is refused by the list of algorithms.
 *
 * Cost: a signature takes about 100 us to verify, so a verified token is remembered by its digest until it expires, or the keys
 * of its issuer change. Then a call costs one SHA-256.
 */
import { hash } from 'node:crypto';
import { errors, jwtVerify } from 'jose';
import type { JWTVerifyGetKey, JWTVerifyResult } from 'jose';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../clock.ts';
import { MillraceError } from '../errors.ts';
import type { Log } from '../telemetry/log.ts';
import type { Principal } from './access.ts';
import { scopesOf, subjectOf } from './jwt-principal.ts';
import { openTokenKeys } from './token-keys.ts';
import type { TokenKeys } from './token-keys.ts';

export interface JwtOptions {
  /** The path of a JSON Web Key Set, or its address. */
  readonly jwks: string;
  /** What the claim `iss` must be. */
  readonly issuer: string;
  /** What the claim `aud` must be, or hold. */
  readonly audience: string;
}

export interface TokenVerifier {
  /** At once for a token that is known, and else after its signature was verified. */
  verify(token: string): Principal | Promise<Principal>;
  /** Looks for changed keys of the issuer now. */
  refresh(): Promise<void>;
  close(): void;
}

const REMEMBERED_MAX = 10_000;
const TOKEN_CHARS_MAX = 16_384;
const CLOCK_SKEW_SECONDS = 30;
const algorithms = 'RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519'.split(' ');

/** @throws MillraceError STARTUP_FAILED */
export async function createTokenVerifier(
  { jwks, issuer, audience }: JwtOptions,
  clock: Clock,
  log: Log,
): Promise<TokenVerifier> {
  const keys = await openTokenKeys(jwks, log);
  const known = new LRUCache<string, TokenPrincipal>({ max: REMEMBERED_MAX });
  let generation = keys.generation;

  const verifySignature = async (token: string, digest: string): Promise<Principal> => {
    const options = {
      issuer,
      audience,
      algorithms,
      clockTolerance: CLOCK_SKEW_SECONDS,
      requiredClaims: ['exp', 'sub'],
      currentDate: new Date(clock.nowMs()),
    };
    let keyState: string | undefined;
    const find: JWTVerifyGetKey = async (header, input) => {
      const key = await keys.find(header, input);
      keyState = keys.stateOf(header.kid);
      return key;
    };
    const verified = await jwtVerify(token, find, options).catch((error: unknown) => {
      throw refusalOf(error, log);
    });
    const principal = new TokenPrincipal(verified, keys, keyState, clock);
    // A set that changed meanwhile may lack the key; the principal then says that it is revoked.
    if (!principal.isRevoked) known.set(digest, principal);
    return principal;
  };

  return {
    verify(token) {
      if (token.length > TOKEN_CHARS_MAX) throw refusal(`is longer than ${TOKEN_CHARS_MAX} characters`);
      if (generation !== keys.generation) known.clear();
      generation = keys.generation;
      const digest = hash('sha256', token, 'base64url');
      const principal = known.get(digest);
      if (principal !== undefined && !principal.isRevoked) return principal;
      known.delete(digest);
      return verifySignature(token, digest);
    },
    refresh: async () => keys.refresh(),
    close: () => keys.close(),
  };
}

class TokenPrincipal implements Principal {
  readonly id: string;
  readonly name: string;
  private readonly expiresMs: number;
  private readonly scopes: ReturnType<typeof scopesOf>;
  private readonly keys: TokenKeys;
  private readonly keyId: string | undefined;
  private readonly keyState: string | undefined;
  private readonly clock: Clock;

  /** @param keyState of the key with which it was verified */
  constructor(
    { payload, protectedHeader }: JWTVerifyResult,
    keys: TokenKeys,
    keyState: string | undefined,
    clock: Clock,
  ) {
    this.name = subjectOf(payload);
    this.id = `jwt:${this.name}`;
    this.expiresMs = ((payload.exp ?? 0) + CLOCK_SKEW_SECONDS) * 1000;
    this.scopes = scopesOf(payload);
    this.keys = keys;
    this.keyId = protectedHeader.kid;
    this.keyState = keyState;
    this.clock = clock;
  }

  /**
   * New keys beside its own leave a token as it is, another one under the same id does not; where keys have no ids, a changed set
   * leaves none.
   */
  get isRevoked(): boolean {
    const { keyId, keyState, keys } = this;
    const hasKey = keyState !== undefined && keys.stateOf(keyId) === keyState;
    return !hasKey || this.clock.nowMs() >= this.expiresMs;
  }

  allows(scope: Parameters<Principal['allows']>[0]): boolean {
    return this.scopes.has(scope);
  }

  /** The rate of tokens is their issuer's business. */
  take(): undefined {
    return undefined;
  }
}

/** Of the issuer's keys, not of the token. */
const fetchCodes: ReadonlySet<string> = new Set(['ERR_JWKS_TIMEOUT', 'ERR_JOSE_GENERIC', 'ERR_JWKS_INVALID']);

function refusalOf(error: unknown, log: Log): MillraceError {
  if (error instanceof errors.JWTExpired) return refusal('has expired');
  if (error instanceof errors.JWTClaimValidationFailed) {
    return refusal(`has no claim "${error.claim}" as the server wants it`);
  }
  if (error instanceof errors.JWKSNoMatchingKey)
    return refusal('is signed with a key that the issuer does not have');
  if (error instanceof errors.JWKSMultipleMatchingKeys)
    return refusal('names no key ("kid"), and its issuer has several');
  if (error instanceof errors.JWSSignatureVerificationFailed) return refusal('has a wrong signature');
  if (error instanceof errors.JOSEAlgNotAllowed)
    return refusal('is signed with an algorithm that is not allowed');
  if (error instanceof errors.JOSEError && !fetchCodes.has(error.code)) return refusal('is not valid');
  log.error({ cause: String(error) }, 'the JWKS could not be fetched, so a token could not be checked');
  const sentence = "The token cannot be checked now: its issuer's keys could not be fetched. Try again.";
  return new MillraceError('TOKEN_KEYS_AWAY', sentence, { cause: error });
}

function refusal(why: string): MillraceError {
  return new MillraceError('UNAUTHENTICATED', `The token ${why}.`);
}
