/** Calls over HTTP, with the `fetch` of the platform. */
import { MillraceClientError, errorOf } from './client-error.ts';
import type { Transport, WireCall } from './transport.ts';

/** As much of an answer as is read. */
export interface FetchAnswer {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  text(): Promise<string>;
}

/** The platform's `fetch`, or something like it. */
export type Fetch = (
  url: string,
  init: {
    readonly method: string;
    readonly headers: Record<string, string>;
    readonly body: string;
    readonly signal: AbortSignal;
  },
) => Promise<FetchAnswer>;

export interface HttpOptions {
  /** Without a slash at its end. */
  readonly url: string;
  readonly key: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly traceparent: (() => string | undefined) | undefined;
  readonly fetch: Fetch;
}

const FIRST_ERROR_STATUS = 400;

export function createHttpTransport({ url, key, headers, traceparent, fetch }: HttpOptions): Transport {
  const closing = new AbortController();

  const headersNow = (): Record<string, string> => {
    const trace = traceparent?.();
    return {
      ...headers,
      'content-type': 'application/json',
      ...(key !== undefined && { authorization: `Bearer ${key}` }),
      ...(trace !== undefined && { traceparent: trace }),
    };
  };

  async function exchange(call: WireCall, signal: AbortSignal): Promise<[FetchAnswer, string]> {
    const init = { method: 'POST', headers: headersNow(), body: JSON.stringify(call.body), signal };
    try {
      const answer = await fetch(`${url}${call.path}`, init);
      return [answer, await answer.text()];
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      const sentence = `${url} could not be reached: ${error instanceof Error ? error.message : String(error)}`;
      throw new MillraceClientError('NETWORK', sentence, { cause: error });
    }
  }

  return {
    async send(call, signal) {
      const [{ status, headers: answered }, text] = await within(closing.signal, signal, async (either) =>
        exchange(call, either),
      );
      const body = parsed(text);
      if (status >= FIRST_ERROR_STATUS)
        throw errorOf(body, { status, retryAfter: answered.get('retry-after') });
      if (body === undefined && text !== '') throw errorOf(undefined, { status });
      return body;
    },
    close() {
      closing.abort(new MillraceClientError('CLOSED', 'The client was closed.'));
    },
  };
}

/** Gives the work up with the reason of whichever signal is given first. */
async function within<T>(
  one: AbortSignal,
  other: AbortSignal,
  work: (either: AbortSignal) => Promise<T>,
): Promise<T> {
  const either = new AbortController();
  const stop = (): void => either.abort(one.aborted ? one.reason : other.reason);
  if (one.aborted || other.aborted) stop();
  for (const signal of [one, other]) signal.addEventListener('abort', stop);
  try {
    either.signal.throwIfAborted();
    return await work(either.signal);
  } finally {
    for (const signal of [one, other]) signal.removeEventListener('abort', stop);
  }
}

/** Undefined for what is no JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
