/** The requests that a load test repeats, in order and over again. */
import { MillraceError } from '../errors.ts';

export interface LoadRequest {
  readonly endpoint: string;
  /** The HTTP path. */
  readonly path: string;
  /** The body as it would be sent over HTTP: `rows`, `context` and so on. */
  readonly body: Readonly<Record<string, unknown>>;
}

function predictPath(endpoint: string): string {
  return `/v1/endpoints/${encodeURIComponent(endpoint)}/predict`;
}

export function predictRequest(endpoint: string, body: Readonly<Record<string, unknown>>): LoadRequest {
  return { endpoint, path: predictPath(endpoint), body };
}

/**
 * One request a line. A line may name its own `endpoint`, so that one file can mix several.
 * @param path asks this HTTP path instead of the endpoint's own
 * @throws MillraceError LOADTEST_FAILED, with the line
 */
export function readRequests(
  ndjson: string,
  source: string,
  defaults: { readonly endpoint?: string; readonly path?: string },
): LoadRequest[] {
  const requests: LoadRequest[] = [];
  ndjson
    .replace(/^\uFEFF/, '')
    .split('\n')
    .forEach((line, index) => {
      if (line.trim() === '') return;
      const place = `${source}, line ${index + 1}`;
      const { endpoint = defaults.endpoint ?? '', ...body } = parseLine(line, place);
      if (typeof endpoint !== 'string' || (endpoint === '' && defaults.path === undefined))
        throw new MillraceError('LOADTEST_FAILED', `${place}: no endpoint; name one with --endpoint`);
      requests.push({ endpoint, path: defaults.path ?? predictPath(endpoint), body });
    });
  if (requests.length === 0) throw new MillraceError('LOADTEST_FAILED', `${source} has no requests`);
  return requests;
}

function parseLine(line: string, place: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new MillraceError('LOADTEST_FAILED', `${place}: not valid JSON: ${(error as Error).message}`);
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw new MillraceError('LOADTEST_FAILED', `${place}: must be a JSON object such as {"rows": [{…}]}`);
}
