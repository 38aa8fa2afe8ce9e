/** Who comes in: reads the key or token of a call, and says whether it may be made. */
import type { HttpRequest } from 'uWebSockets.js';
import { authorize } from '../access/access.ts';
import type { Access, Principal } from '../access/access.ts';
import type { RouteScopes } from '../access/scope.ts';
import { MillraceError } from '../errors.ts';
import type { Exchange } from './exchange.ts';

const BEARER = /^bearer +(\S+) *$/i;

/**
 * Lets a call in, and notes who made it.
 * @returns undefined = it may be made; an error = it may not; a promise where the token has to be verified first, which
 *   rejects with the error
 */
export function admit(
  access: Access,
  req: HttpRequest,
  exchange: Exchange,
  scopes: RouteScopes,
): MillraceError | Promise<void> | undefined {
  if (access.isOpen) {
    exchange.isUnrestricted = true;
    return undefined;
  }
  if (scopes === 'anyone') return undefined;
  const letIn = (principal: Principal | undefined): void => {
    exchange.principal = principal;
    authorize(access, principal, scopes);
  };
  const found = orError(() => principalOf(access, credentialOf(req)));
  if (found instanceof MillraceError) return found;
  if (found instanceof Promise) return found.then(letIn);
  return orError(() => {
    letIn(found);
    return undefined;
  });
}

/**
 * @param credential empty = there is none
 * @throws MillraceError UNAUTHENTICATED
 */
export function principalOf(access: Access, credential: string): Principal | Promise<Principal> | undefined {
  return credential === '' ? undefined : access.authenticate(credential);
}

/** Empty = there is none. */
export function credentialOf(req: HttpRequest): string {
  return credentialFrom(req.getHeader('authorization'), req.getHeader('x-api-key'));
}

/** Of the values of the headers that may hold one; empty = it was not sent. */
export function credentialFrom(authorization: string, apiKey: string): string {
  return authorization === '' ? apiKey : (BEARER.exec(authorization)?.[1] ?? '');
}

function orError<T>(work: () => T): T | MillraceError {
  try {
    return work();
  } catch (error) {
    if (error instanceof MillraceError) return error;
    throw error;
  }
}
