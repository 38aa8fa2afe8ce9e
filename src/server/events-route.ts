/**
 * The body of `POST /v1/events` and `POST /v1/feedback`: one, an array or NDJSON, plain or compressed. What becomes of
 * what it holds is in intake-call.ts.
 */
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { eventsFormatOf } from '../events/decode-events.ts';
import type { EventsFormat } from '../events/decode-events.ts';
import { MillraceError } from '../errors.ts';
import { jsonText } from '../project/json-text.ts';
import { bodyTooLarge } from './error-reply.ts';
import type { RouteHandler } from './exchange.ts';
import { ACCEPTED } from './intake-call.ts';
import type { IntakeCall } from './intake-call.ts';

export interface BodyHeaders {
  readonly contentType: string;
  readonly contentEncoding: string;
}

const unzip = promisify(gunzip);

/** @param bodyBytesMax also of what is decompressed */
export function eventsHandler(call: IntakeCall, headers: BodyHeaders, bodyBytesMax: number): RouteHandler {
  return async (exchange, body) => {
    const answer = await call(async (intake) => {
      const format = formatOf(headers);
      // The bytes of a body are there in this turn only, in which `take` reads them.
      const isPlain = headers.contentEncoding === '' || headers.contentEncoding === 'identity';
      const content = isPlain ? body : await decompressed(Buffer.from(body), headers, bodyBytesMax);
      return intake.take(content, format);
    });
    exchange.send(ACCEPTED, 'application/json', jsonText(answer));
  };
}

function formatOf({ contentType }: BodyHeaders): EventsFormat {
  const format = eventsFormatOf(contentType);
  if (format !== undefined) return format;
  const sentence = `The content type must be application/json, application/x-ndjson or one of CloudEvents, not "${contentType.slice(0, 100)}".`;
  throw new MillraceError('UNSUPPORTED_MEDIA_TYPE', sentence);
}

/** The limit of a body holds for what it becomes, too: a small one may become a thousand times as large. */
async function decompressed(
  body: Buffer,
  { contentEncoding }: BodyHeaders,
  bytesMax: number,
): Promise<Buffer> {
  if (contentEncoding.toLowerCase() !== 'gzip') {
    const sentence = `The content encoding must be gzip or none, not "${contentEncoding.slice(0, 100)}".`;
    throw new MillraceError('UNSUPPORTED_MEDIA_TYPE', sentence);
  }
  try {
    return await unzip(body, { maxOutputLength: bytesMax });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw bodyTooLarge(bytesMax);
    throw new MillraceError('INVALID_ENCODING', 'The body is not valid gzip.', { cause: error });
  }
}
