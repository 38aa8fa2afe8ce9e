/** Pages of other origins, which a browser lets call only where the server says so. */
import { MillraceError } from '../errors.ts';

export interface Cors {
  isAllowed(origin: string): boolean;
  /** What an answer to a page of this origin has besides; undefined = it is not allowed, or no page. */
  headersFor(origin: string): Readonly<Record<string, string>> | undefined;
}

const ANY = '*';

/** What a browser asks for before a call that changes something, or that shows a key. */
export const preflightHeaders: Readonly<Record<string, string>> = {
  'access-control-allow-methods': 'GET, HEAD, POST, PUT',
  'access-control-allow-headers':
    'authorization, x-api-key, content-type, content-encoding, inference-header-content-length, traceparent, tracestate, x-millrace-variant, x-millrace-force-key',
  'access-control-max-age': '600',
};

/**
 * @param origins like `https://shop.example`, or `*` for all of them
 * @throws MillraceError STARTUP_FAILED for what is no origin
 */
export function createCors(origins: readonly string[]): Cors {
  for (const origin of origins) checkOrigin(origin);
  const allowed = new Set(origins);
  const isAllowed = (origin: string): boolean => origin !== '' && (allowed.has(ANY) || allowed.has(origin));
  return {
    isAllowed,
    headersFor: (origin) =>
      isAllowed(origin)
        ? {
            'access-control-allow-origin': origin,
            'access-control-expose-headers': 'retry-after, inference-header-content-length, traceparent',
            vary: 'origin',
          }
        : undefined,
  };
}

function checkOrigin(origin: string): void {
  if (origin === ANY || (URL.canParse(origin) && new URL(origin).origin === origin)) return;
  const sentence = `"${origin}" is no origin of pages: write it like https://shop.example, or https://localhost:3000, or * for all.`;
  throw new MillraceError('STARTUP_FAILED', sentence);
}
