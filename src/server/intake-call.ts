/**
 * What a call that sends events comes to, over HTTP and WebSocket alike: `events` go into the event log, `feedback` into
 * the prediction log. The outcome of each is counted; a call of which nothing is taken is an error.
 */
import type { EventIntake, EventOutcome } from '../events/intake.ts';
import { MillraceError } from '../errors.ts';
import type { ErrorDetail } from '../errors.ts';
import type { JsonObject, JsonValue } from '../project/json-text.ts';
import type { Counter } from '../telemetry/metrics.ts';
import type { AuditedCall } from './audited-call.ts';
import { servingOf } from './route-context.ts';
import type { RouteContext } from './route-context.ts';

/** What is sent, and what the answer calls the list of outcomes. */
export type IntakeList = 'events' | 'feedback';

/** What may be sent: its call over HTTP, and where it goes. */
export interface Intake {
  readonly path: string;
  /** Label in metrics. */
  readonly name: string;
  readonly list: IntakeList;
  readonly counter: { readonly name: string; readonly help: string };
  readonly intakeOf: (context: RouteContext) => EventIntake | undefined;
  /** Why there is no intake. */
  readonly absent: string;
}

export const intakes: readonly Intake[] = [
  {
    path: '/v1/events',
    name: 'events',
    list: 'events',
    counter: { name: 'millrace_events_total', help: 'Events that were sent, by what became of them.' },
    intakeOf: ({ intake }) => intake,
    absent: 'The project has no event types: declare them under `events`.',
  },
  {
    path: '/v1/feedback',
    name: 'feedback',
    list: 'feedback',
    counter: { name: 'millrace_feedback_total', help: 'Feedback that was sent, by what became of it.' },
    intakeOf: ({ feedback }) => feedback,
    absent: 'No endpoint of the project logs its predictions: give one a `log`.',
  },
];

/** The status of a call of which something was taken. */
export const ACCEPTED = 202;

/**
 * @param give hands what was sent to the intake; called at once
 * @param audited is told how many were taken
 * @returns the body of the answer, when all that was accepted is durable
 * @throws MillraceError NOT_READY, UNKNOWN_ROUTE, what the intake throws, and what is wrong if all was rejected
 */
export type IntakeCall = (
  give: (intake: EventIntake) => Promise<readonly EventOutcome[]>,
  audited?: AuditedCall,
) => Promise<JsonObject>;

const DETAILS_MAX = 20;

export function createIntakeCall(context: RouteContext, kind: Intake): IntakeCall {
  const { name, help } = kind.counter;
  const count = (outcome: EventOutcome['status']): Counter =>
    context.metrics.counter(name, help, { outcome });
  const counts = { accepted: count('accepted'), duplicate: count('duplicate'), rejected: count('rejected') };
  return async (give, audited) => {
    const outcomes = await context.readiness.watch(kind.list, give(requireIntake(context, kind)));
    for (const { status } of outcomes) counts[status].add(1);
    audited?.note({ details: countOutcomes(outcomes) });
    if (outcomes.length > 0 && outcomes.every(({ status }) => status === 'rejected'))
      throw allRejected(outcomes, kind.list);
    return { [kind.list]: outcomes as unknown as JsonValue };
  };
}

function countOutcomes(outcomes: readonly EventOutcome[]): JsonObject {
  const count = (wanted: EventOutcome['status']): number =>
    outcomes.filter(({ status }) => status === wanted).length;
  return { accepted: count('accepted'), duplicate: count('duplicate'), rejected: count('rejected') };
}

/** @throws MillraceError NOT_READY, UNKNOWN_ROUTE */
function requireIntake(context: RouteContext, { intakeOf, absent }: Intake): EventIntake {
  servingOf(context);
  const intake = intakeOf(context);
  if (intake !== undefined) return intake;
  throw new MillraceError('UNKNOWN_ROUTE', absent);
}

function allRejected(outcomes: readonly EventOutcome[], list: IntakeList): MillraceError {
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
