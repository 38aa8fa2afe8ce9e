/** What a verified token says of its bearer: who it is, and what it may do. */
import { MillraceError } from '../errors.ts';
import { isScope } from './key-records.ts';
import type { Scope } from './scope.ts';

/** Claims as they stand in a token; nothing but the signature and the required claims was checked. */
export type Claims = Readonly<Record<string, unknown>>;

const SUBJECT_CHARS_MAX = 256;

/**
 * Who a token is about.
 * @throws MillraceError UNAUTHENTICATED
 */
export function subjectOf({ sub }: Claims): string {
  const isName = typeof sub === 'string' && sub !== '' && sub.length <= SUBJECT_CHARS_MAX;
  // Control characters would forge lines of a terminal that shows it.
  if (isName && !/\p{C}/u.test(sub)) return sub;
  const sentence = `The token's claim "sub" must be a text of at most ${SUBJECT_CHARS_MAX} characters, on one line.`;
  throw new MillraceError('UNAUTHENTICATED', sentence);
}

/**
 * The scopes of a token. Issuers write them in one of three claims: `scope` and `scp` as words with spaces between, `scp` and
 * `permissions` as lists. Names that are not Millrace's are for other servers.
 */
export function scopesOf({ scope, scp, permissions }: Claims): ReadonlySet<Scope> {
  return new Set([scope, scp, permissions].flatMap(namesIn).filter(isScope));
}

function namesIn(claim: unknown): readonly unknown[] {
  if (typeof claim === 'string') return claim.split(' ');
  return Array.isArray(claim) ? claim : [];
}
