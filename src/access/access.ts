/**
 * Who calls, and what they may do. `Access` makes a principal of what a caller sends; `authorize` says whether that may make
 * a call. Where there are neither keys nor tokens, everybody may do everything.
 */
import { MillraceError } from '../errors.ts';
import type { RouteScopes, Scope } from './scope.ts';

/** Somebody who showed a key or a token. It may be kept as long as a connection lasts: ask `isRevoked` with each call. */
export interface Principal {
  /** Of the key; of a token, `jwt:` and its subject. */
  readonly id: string;
  readonly name: string;
  /** It is no longer valid: revoked, expired, or its issuer has withdrawn what it was signed with. */
  readonly isRevoked: boolean;
  allows(scope: Scope): boolean;
  /**
   * Takes one call of the rate.
   * @param nowMs of a clock that never goes back
   * @returns milliseconds until a call is allowed; undefined = it is now, and was taken
   */
  take(nowMs: number): number | undefined;
}

export interface Access {
  /** There are neither keys nor tokens: everybody may do everything. May become false while the server runs. */
  readonly isOpen: boolean;
  /**
   * @param credential a key, or a token in its compact form
   * @throws MillraceError UNAUTHENTICATED, TOKEN_KEYS_AWAY
   */
  authenticate(credential: string): Principal | Promise<Principal>;
  close(): void;
}

/** Of a server without keys. */
export const openToAll: Access = {
  isOpen: true,
  authenticate: () => {
    throw new MillraceError('UNAUTHENTICATED', 'This server takes neither keys nor tokens.');
  },
  close: () => undefined,
};

/**
 * Returns when the call is allowed, which takes one of the rate.
 * @param principal undefined = the caller showed nothing
 * @param needs of a list of scopes, one is enough
 * @throws MillraceError UNAUTHENTICATED, RATE_LIMITED, FORBIDDEN
 */
export function authorize(
  access: Pick<Access, 'isOpen'>,
  principal: Principal | undefined,
  needs: RouteScopes,
  nowMs: number = performance.now(),
): void {
  if (needs === 'anyone' || access.isOpen) return;
  takeCall(access, principal, nowMs);
  if (needs !== 'any key') requireScope(access, principal, needs);
}

/**
 * The first half of `authorize`, for who has to know what a call asks for before the scope is known: takes one of the rate.
 * @throws MillraceError UNAUTHENTICATED, RATE_LIMITED
 */
export function takeCall(
  access: Pick<Access, 'isOpen'>,
  principal: Principal | undefined,
  nowMs: number = performance.now(),
): void {
  if (access.isOpen) return;
  if (principal === undefined) throw withoutCredential();
  if (principal.isRevoked) {
    throw new MillraceError('UNAUTHENTICATED', `The key or token "${principal.name}" is no longer valid.`);
  }
  const waitMs = principal.take(nowMs);
  if (waitMs !== undefined) throw rateLimited(principal.name, waitMs);
}

/**
 * The second half.
 * @throws MillraceError UNAUTHENTICATED, FORBIDDEN
 */
export function requireScope(
  access: Pick<Access, 'isOpen'>,
  principal: Principal | undefined,
  needs: readonly Scope[],
): void {
  if (access.isOpen) return;
  if (principal === undefined) throw withoutCredential();
  if (!needs.some((scope) => principal.allows(scope))) throw forbidden(principal.name, needs);
}

/** @param scopes one of which would do */
function forbidden(name: string, scopes: readonly Scope[]): MillraceError {
  const wanted = scopes.map((scope) => `"${scope}"`).join(' or ');
  return new MillraceError('FORBIDDEN', `The key or token "${name}" lacks the scope ${wanted}.`);
}

function withoutCredential(): MillraceError {
  const sentence = 'This call needs a key or a token: send it as "Authorization: Bearer <key>".';
  return new MillraceError('UNAUTHENTICATED', sentence);
}

function rateLimited(name: string, waitMs: number): MillraceError {
  const sentence = `The key "${name}" has made more calls than its rate allows.`;
  return new MillraceError('RATE_LIMITED', sentence, { retryAfterMs: Math.ceil(waitMs) });
}
