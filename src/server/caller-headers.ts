/** What a caller says of itself in headers: its session, its user agent, and the variant that a tester asks for. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { MillraceError } from '../errors.ts';
import type { Caller, CallerNeeds } from '../serving/caller.ts';

/** `flight-delay=streaming, churn=new`: for each endpoint its own, so that a header on every request harms no other. */
const VARIANT_HEADER = 'x-millrace-variant';
const AGENT_HEADER = 'x-forwarded-user-agent';
const KEY_HEADER = 'x-millrace-force-key';
/** A unit is a key of stores and logs. */
const UNIT_CHARS_MAX = 512;

/** Those of a request, or what was kept of them. */
export interface CallerHeaders {
  /** By its name in lower case; empty = there is none. */
  getHeader(name: string): string;
}

/** @throws MillraceError FORCING_REFUSED */
export type CallerReader = (headers: CallerHeaders, endpoint: string, needs: CallerNeeds) => Caller;

/** @param forceKey who has it may ask for a variant; undefined = nobody may */
export function createCallerReader(forceKey: string | undefined): CallerReader {
  const wanted = forceKey === undefined ? undefined : digest(forceKey);
  const isAllowed = (key: string): boolean => wanted !== undefined && timingSafeEqual(wanted, digest(key));
  return (headers, endpoint, { unit }) => {
    const variants = headers.getHeader(VARIANT_HEADER);
    if (variants !== '' && !isAllowed(headers.getHeader(KEY_HEADER))) throw refusal(forceKey);
    return {
      unit: unit === undefined ? undefined : unitOf(headers, unit),
      variant: variants === '' ? undefined : variantFor(endpoint, variants),
      userAgent: agentOf(headers, unit),
    };
  };
}

function refusal(forceKey: string | undefined): MillraceError {
  const because =
    forceKey === undefined
      ? 'the server has no key for it: start it with MILLRACE_FORCE_KEY'
      : `the key in ${KEY_HEADER} is missing or wrong`;
  return new MillraceError('FORCING_REFUSED', `${VARIANT_HEADER} may not choose a variant: ${because}.`);
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/**
 * Of the person, not of a program that asks for them: where the unit is a session's header or cookie, the caller is the
 * browser; a server that asks for somebody can forward theirs.
 */
function agentOf(headers: CallerHeaders, unit: CallerNeeds['unit']): string {
  const forwarded = headers.getHeader(AGENT_HEADER);
  const isSession = unit !== undefined && unit.kind !== 'field';
  return forwarded === '' && isSession ? headers.getHeader('user-agent') : forwarded;
}

function unitOf(headers: CallerHeaders, unit: NonNullable<CallerNeeds['unit']>): string | undefined {
  if (unit.kind === 'field') return undefined;
  const value =
    unit.kind === 'header'
      ? headers.getHeader(unit.name)
      : cookieNamed(unit.name, headers.getHeader('cookie'));
  if (value === '') return undefined;
  // Long tokens may begin alike.
  return value.length <= UNIT_CHARS_MAX ? value : digest(value).toString('base64url');
}

/** Empty = there is none. */
function cookieNamed(name: string, header: string): string {
  for (const pair of header.split(';')) {
    const at = pair.indexOf('=');
    if (at !== -1 && pair.slice(0, at).trim() === name)
      return pair
        .slice(at + 1)
        .trim()
        .replace(/^"(.*)"$/, '$1');
  }
  return '';
}

function variantFor(endpoint: string, header: string): string | undefined {
  for (const pair of header.split(',')) {
    const at = pair.indexOf('=');
    if (at !== -1 && pair.slice(0, at).trim() === endpoint) return pair.slice(at + 1).trim();
  }
  return undefined;
}
