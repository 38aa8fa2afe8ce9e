/** What is noted of each answer of a variant while a rollout is in effect, and the shadows that run behind it. */
import { MillraceError } from '../errors.ts';
import { fractionOf } from '../events/partition.ts';
import type { ArmRecorder, SampleRecorder } from '../rollouts/sample-recorder.ts';
import type { Counter } from '../telemetry/metrics.ts';
import type { FeedbackFollower, OnFeedback } from './feedback-follower.ts';
import type { AnswerField } from './answer.ts';
import type { Plan } from './plan.ts';
import type { AnswerObserver } from './route.ts';
import type { ShadowAnswer } from './shadow.ts';
import { numbersOf } from './compared-rows.ts';
import type { RunningShadow } from './shadow-set.ts';

export interface ObservedVariant {
  readonly variant: string;
  readonly plan: Plan;
  readonly recorder: SampleRecorder;
  /** Fields of the answer whose distribution is watched. */
  readonly outputs: readonly string[];
  /** Undefined = nobody waits for what is told of answers. */
  readonly follower: FeedbackFollower | undefined;
  readonly shadows: readonly RunningShadow[];
  readonly shadowCounts: (variant: string) => ShadowCounts;
}

export interface ShadowCounts {
  readonly compared: Counter;
  readonly failed: Counter;
  readonly shed: Counter;
}

/** Statuses below are the caller's own mistakes. */
const FAILURE_STATUS_MIN = 422;

export function createVariantObserver(observed: ObservedVariant): AnswerObserver {
  const { variant, plan, recorder, follower, shadows } = observed;
  const arm = recorder.arm(variant);
  const fields = plan.answer.filter(({ name }) => observed.outputs.includes(name));
  const onFeedback = feedbackInto(arm);
  const wanted = shadows.map((running) => shadowOf(running, observed));
  return {
    wantsRows: (requestId) => wanted.some((shadow) => shadow.wantsRows(requestId)),
    answered(served, entityRows) {
      arm.answered(served.latencyMs);
      for (const field of fields) recordOutput(arm, field, served.parts);
      follower?.expect(served.requestId, onFeedback);
      if (served.parts.length === 0) return;
      for (const shadow of wanted) shadow.answered(served, entityRows);
    },
    failed(error) {
      const isOurs = !(error instanceof MillraceError) || error.status >= FAILURE_STATUS_MIN;
      if (isOurs) arm.failed();
    },
  };
}

/** Holds on to nothing else: feedback is waited for longer than the models are served. */
function feedbackInto(arm: ArmRecorder): OnFeedback {
  return (field, value) => arm.feedback(field, value);
}

/** Of the first row: the rows of one request are alike, and count as one sample. */
function recordOutput(
  arm: ArmRecorder,
  field: Plan['answer'][number],
  parts: Parameters<AnswerObserver['answered']>[0]['parts'],
): void {
  const [value] = numbersOf(parts, field, [0]);
  if (value !== undefined) arm.output(field.name, value);
}

interface WantedShadow {
  /** Whether it could run; one that has no room does not make a request keep its rows. */
  wantsRows(requestId: string): boolean;
  answered: AnswerObserver['answered'];
}

function shadowOf(running: RunningShadow, { plan, recorder, shadowCounts }: ObservedVariant): WantedShadow {
  const { variant, sample, output, threshold } = running.shadow;
  const record = recorder.shadow(variant);
  const counts = shadowCounts(variant);
  const fieldOf = (of: Plan): AnswerField | undefined =>
    of.answer.find(({ name }) => output === undefined || name === output);
  const primaryField = fieldOf(plan);
  const shadowField = fieldOf(running.plan);
  const isSampled = (requestId: string): boolean =>
    sample === 1 || fractionOf(['shadow', variant, requestId]) < sample;
  const failed = (): void => {
    record.failed();
    counts.failed.add(1);
  };
  return {
    wantsRows: (requestId) =>
      typeof running.runner === 'object' && running.runner.hasRoom() && isSampled(requestId),
    answered(served, entityRows) {
      const { runner } = running;
      if (primaryField === undefined || shadowField === undefined) return;
      if (!isSampled(served.requestId)) return;
      if (runner === 'broken') return failed();
      const compared = ({ primary, shadow, shadowMs }: ShadowAnswer): void => {
        record.compared({ primary, shadow, primaryMs: served.latencyMs, shadowMs, threshold });
        counts.compared.add(1);
      };
      const isRun =
        runner !== undefined &&
        entityRows !== undefined &&
        runner.run({ primary: plan, primaryField, shadowField, served, entityRows }, { compared, failed });
      if (isRun) return;
      record.shed();
      counts.shed.add(1);
    },
  };
}
