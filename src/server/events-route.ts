/**
 * The calls that take events: `POST /v1/events` into the event log, `POST /v1/feedback` into the prediction log. Both
 * take one, an array or NDJSON, plain or compressed.
 */
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { eventsFormatOf } from '../events/decode-events.ts';
import type { EventsFormat } from '../events/decode-events.ts';
import type { EventIntake, EventOutcome } from '../events/intake.ts';
import { MillraceError } from '../errors.ts';
import type { ErrorDetail } from '../errors.ts';
import { jsonText } from '../project/json-text.ts';
import type { JsonValue } from '../project/json-text.ts';
import type { Counter } from '../telemetry/metrics.ts';
import { bodyTooLarge } from './error-reply.ts';
import type { RouteHandler } from './exchange.ts';
import { servingOf } from './routes.ts';
import type { Route, RouteContext } from './routes.ts';

export interface IntakeRoute extends Route {
  /** What the answer calls the list of outcomes. */
  readonly list: 'events' | 'feedback';
  readonly counter: { readonly name: string; readonly help: string };
  readonly intakeOf: (context: RouteContext) => EventIntake | undefined;
  /** Why there is no intake. */
  readonly absent: string;
}

export const intakeRoutes: readonly IntakeRoute[] = [
  {
    method: 'post',
    path: '/v1/events',
    name: 'events',
    list: 'events',
    counter: { name: 'millrace_events_total', help: 'Events that were sent, by what became of them.' },
    intakeOf: ({ intake }) => intake,
    absent: 'The project has no event types: declare them under `events`.',
  },
  {
    method: 'post',
    path: '/v1/feedback',
    name: 'feedback',
    list: 'feedback',
    counter: { name: 'millrace_feedback_total', help: 'Feedback that was sent, by what became of it.' },
    intakeOf: ({ feedback }) => feedback,
    absent: 'No endpoint of the project logs its predictions: give one a `log`.',
  },
];

export interface BodyHeaders {
  readonly contentType: string;
  readonly contentEncoding: string;
}

type EventCounts = Readonly<Record<EventOutcome['status'], Counter>>;

const DETAILS_MAX = 20;
const unzip = promisify(gunzip);

export function createEventCounts({ metrics }: RouteContext, { counter }: IntakeRoute): EventCounts {
  const count = (outcome: string): Counter => metrics.counter(counter.name, counter.help, { outcome });
  return { accepted: count('accepted'), duplicate: count('duplicate'), rejected: count('rejected') };
}

export function eventsHandler(
  context: RouteContext,
  route: IntakeRoute,
  counts: EventCounts,
  headers: BodyHeaders,
): RouteHandler {
  return async (exchange, body) => {
    const intake = requireIntake(context, route);
    const format = formatOf(headers);
    const { bodyBytesMax } = context.state.limits;
    // The bytes of a body are there in this turn only, in which `take` reads them.
    const isPlain = headers.contentEncoding === '' || headers.contentEncoding === 'identity';
    const content = isPlain ? body : await decompressed(Buffer.from(body), headers, bodyBytesMax);
    const outcomes = await intake.take(content, format);
    for (const { status } of outcomes) counts[status].add(1);
    if (outcomes.length > 0 && outcomes.every(({ status }) => status === 'rejected'))
      throw allRejected(outcomes, route);
    exchange.send(202, 'application/json', jsonText({ [route.list]: outcomes as unknown as JsonValue }));
  };
}

/** @throws MillraceError NOT_READY, UNKNOWN_ROUTE */
function requireIntake(context: RouteContext, { intakeOf, absent }: IntakeRoute): EventIntake {
  servingOf(context);
  const intake = intakeOf(context);
  if (intake !== undefined) return intake;
  throw new MillraceError('UNKNOWN_ROUTE', absent);
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

function allRejected(outcomes: readonly EventOutcome[], { list }: IntakeRoute): MillraceError {
  const details = outcomes.slice(0, DETAILS_MAX).flatMap((outcome, i): ErrorDetail[] => {
    if (outcome.status !== 'rejected') return [];
    const path = outcome.path === '' ? `${list}[${i}]` : `${list}[${i}].${outcome.path}`;
    return [{ path, message: outcome.message }];
  });
  const [first] = outcomes;
  const code = outcomes.length === 1 && first?.status === 'rejected' ? first.code : 'INVALID_REQUEST';
  return new MillraceError(
    code,
    list === 'events' ? 'No event of the call was accepted.' : 'No feedback of the call was accepted.',
    { details },
  );
}
