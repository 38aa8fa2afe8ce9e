/** How a request came to the plan that answers it, and who looks at what becomes of it. */
import type { LoggedAssignment } from '../events/prediction-events.ts';
import type { Row } from '../features/online-store.ts';
import type { ServedPrediction } from './log-entry.ts';
import type { Plan } from './plan.ts';

export interface Route {
  readonly plan: Plan;
  /** How likely this variant was. */
  readonly propensity: number;
  /** Undefined = nothing else could answer. */
  readonly assignment: LoggedAssignment | undefined;
  readonly observer: AnswerObserver | undefined;
}

/** Of one variant. It may not throw, and what it does counts as time of the next request. */
export interface AnswerObserver {
  /** Whether it wants the rows of this request; others are let go once they are in the tensors. */
  wantsRows(requestId: string): boolean;
  /** @param entityRows by row and read; undefined, and with it the request's own rows, unless they were wanted */
  answered(served: ServedPrediction, entityRows: readonly (readonly Row[])[] | undefined): void;
  /** @param error undefined = the time was over, or the caller has hung up */
  failed(error: unknown): void;
}

/** Of a plan that answers all requests. */
export function plainRoute(plan: Plan): Route {
  return { plan, propensity: 1, assignment: undefined, observer: undefined };
}
