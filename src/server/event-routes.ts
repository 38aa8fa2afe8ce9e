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
import type { JsonObject } from '../project/json-text.ts';
import type { AuditedCall } from './audited-call.ts';
import { bodyTooLarge } from './error-reply.ts';
import { ACCEPTED, createIntakeCall, intakes } from './intake-call.ts';
import type { IntakeCall } from './intake-call.ts';
import type { RouteContext } from './route-context.ts';
import type { Route } from './route.ts';

interface BodyHeaders {
  readonly contentType: string;
  readonly contentEncoding: string;
}

const unzip = promisify(gunzip);

export function eventRoutes(context: RouteContext): readonly Route[] {
  const { bodyBytesMax } = context.state.limits;
  return intakes.map((intake) => {
    const call = createIntakeCall(context, intake);
    return {
      method: 'post',
      path: intake.path,
      name: intake.name,
      scopes: ['events:write'],
      body: 'any',
      headers: ['content-type', 'content-encoding'],
      handle: async (exchange, body, { headers }) => {
        const contentType = headers['content-type'] ?? '';
        const contentEncoding = headers['content-encoding'] ?? '';
        const answer = await take(
          call,
          body,
          { contentType, contentEncoding },
          bodyBytesMax,
          exchange.audited,
        );
        exchange.send(ACCEPTED, 'application/json', jsonText(answer));
      },
    };
  });
}

/** @param bodyBytesMax also of what is decompressed */
async function take(
  call: IntakeCall,
  body: Buffer,
  headers: BodyHeaders,
  bodyBytesMax: number,
  audited: AuditedCall | undefined,
): Promise<JsonObject> {
  return call(async (intake) => {
    const format = formatOf(headers);
    // The bytes of a body are there in this turn only, in which `take` reads them.
    const isPlain = headers.contentEncoding === '' || headers.contentEncoding === 'identity';
    const content = isPlain ? body : await decompressed(Buffer.from(body), headers, bodyBytesMax);
    return intake.take(content, format);
  }, audited);
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
