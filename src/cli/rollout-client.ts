/** Calls of a running server that read and change rollouts. */
import { MillraceError, errorCatalogue } from '../errors.ts';
import type { ErrorCode, ErrorDetail } from '../errors.ts';
import { keyHeaders } from './access-options.ts';
import type { RolloutAnswer, RolloutOverview, AuditAnswer } from './rollout-answer.ts';

export interface RolloutClient {
  list(): Promise<readonly RolloutOverview[]>;
  read(endpoint: string): Promise<RolloutAnswer>;
  audit(endpoint: string, count: number): Promise<AuditAnswer>;
  put(endpoint: string, body: object): Promise<RolloutAnswer>;
  act(endpoint: string, action: string, body: object): Promise<RolloutAnswer>;
}

const TIMEOUT_MS = 10_000;

/**
 * @param url `http://127.0.0.1:8080`
 * @param key where the server wants one
 */
export function createRolloutClient(url: string, key?: string): RolloutClient {
  const base = url.replace(/\/+$/, '');
  const call = async (method: string, path: string, body?: object): Promise<unknown> =>
    ask(`${base}${path}`, method, body, keyHeaders(key));
  return {
    async list() {
      const { endpoints } = (await call('GET', '/v1/rollouts')) as { endpoints: RolloutOverview[] };
      return endpoints;
    },
    read: async (endpoint) => (await call('GET', pathOf(endpoint))) as RolloutAnswer,
    audit: async (endpoint, count) =>
      (await call('GET', `${pathOf(endpoint)}/audit?count=${count}`)) as AuditAnswer,
    put: async (endpoint, body) => (await call('PUT', pathOf(endpoint), body)) as RolloutAnswer,
    act: async (endpoint, action, body) =>
      (await call('POST', `${pathOf(endpoint)}/${action}`, body)) as RolloutAnswer,
  };
}

function pathOf(endpoint: string): string {
  return `/v1/endpoints/${encodeURIComponent(endpoint)}/rollout`;
}

/** @throws MillraceError of the server, or STARTUP_FAILED if there is none */
async function ask(
  address: string,
  method: string,
  body: object | undefined,
  headers: Readonly<Record<string, string>>,
): Promise<unknown> {
  let reply: Response;
  try {
    reply = await fetch(address, {
      method,
      signal: AbortSignal.timeout(TIMEOUT_MS),
      ...(body === undefined
        ? { headers }
        : { body: JSON.stringify(body), headers: { ...headers, 'content-type': 'application/json' } }),
    });
  } catch (cause) {
    const { origin } = new URL(address);
    const reason = reasonOf(cause);
    const sentence = `no server answers at ${origin} (${reason}): start one, or name its address with --url`;
    throw new MillraceError('STARTUP_FAILED', sentence, { cause });
  }
  const text = await reply.text();
  if (reply.ok) return JSON.parse(text) as unknown;
  throw refused(address, reply.status, text);
}

function refused(address: string, status: number, text: string): MillraceError {
  try {
    const { error, code, details } = JSON.parse(text) as {
      error: string;
      code: string;
      details?: ErrorDetail[];
    };
    const lines = (details ?? []).slice(1).map(({ path, message }) => `  ${path} ${message}`);
    const known = Object.hasOwn(errorCatalogue, code) ? (code as ErrorCode) : 'INTERNAL';
    return new MillraceError(known, [error, ...lines].join('\n'), { details });
  } catch {
    return new MillraceError(
      'INTERNAL',
      `${address} answered ${status}, and no JSON: is it a Millrace server?`,
    );
  }
}

/** What the connection failed with: refused, a certificate, the time. */
function reasonOf(error: unknown): string {
  const { name, message, cause } = error as Error & { readonly cause?: NodeJS.ErrnoException };
  if (name === 'TimeoutError') return `no answer in ${TIMEOUT_MS / 1000} s`;
  return cause?.code ?? cause?.message ?? message;
}
