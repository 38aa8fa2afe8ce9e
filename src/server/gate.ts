/** Who comes in: reads the key or token of a call, and says whether it may be made. */
import type { HttpRequest } from 'uWebSockets.js';
import { authorize } from '../access/access.ts';
import type { Access, Principal } from '../access/access.ts';
import type { RouteScopes } from '../access/scope.ts';
import { MillraceError } from '../errors.ts';

/** A call that is let in or not. */
export interface AdmittedCall {
  /** Who makes it; undefined = not known yet, or nobody. */
  principal: Principal | undefined;
  /** Whether no keys are asked for here. */
  isUnrestricted: boolean;
}

type Headers = Pick<HttpRequest, 'getHeader'>;

const BEARER = /^bearer +(\S+) *$/i;

/**
 * Lets a call in, and notes who made it.
 * @param headers of the call
 * @returns undefined = it may be made; an error = it may not; a promise where the token has to be verified first, which
 *   rejects with the error
 */
export function admit(
  access: Access,
  headers: Headers,
  call: AdmittedCall,
  scopes: RouteScopes,
): MillraceError | Promise<void> | undefined {
  const admitted = call;
  if (access.isOpen) {
    admitted.isUnrestricted = true;
    return undefined;
  }
  if (scopes === 'anyone') return undefined;
  const letIn = (principal: Principal | undefined): void => {
    admitted.principal = principal;
    authorize(access, principal, scopes);
  };
  const found = orError(() => principalOf(access, credentialOf(headers)));
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
export function credentialOf(headers: Headers): string {
  const authorization = headers.getHeader('authorization');
  return authorization === '' ? headers.getHeader('x-api-key') : (BEARER.exec(authorization)?.[1] ?? '');
}

function orError<T>(work: () => T): T | MillraceError {
  try {
    return work();
  } catch (error) {
    if (error instanceof MillraceError) return error;
    throw error;
  }
}
