/** What is noted of each answer of a variant while a rollout is in effect, and the shadows that run behind it. */
import { MillraceError } from '../errors.ts';
import { fractionOf } from '../events/partition.ts';
import type { FeedbackField } from '../project/rollout.ts';
import type { ArmRecorder, SampleRecorder } from '../rollouts/sample-recorder.ts';
import type { Counter } from '../telemetry/metrics.ts';
import type { FeedbackFollower } from './feedback-follower.ts';
import type { Plan } from './plan.ts';
import type { AnswerObserver } from './route.ts';
import { numbersOf } from './shadow.ts';
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
  const onFeedback = (field: FeedbackField, value: number): void => arm.feedback(field, value);
  const wanted = shadows.map((running) => shadowOf(running, observed));
  return {
    wantsRows: (requestId) => wanted.some((shadow) => shadow.wants(requestId)),
    answered(served, entityRows) {
      arm.answered(served.latencyMs);
      for (const field of fields) recordOutput(arm, field, served.parts);
      follower?.expect(served.requestId, onFeedback);
      for (const shadow of wanted)
        if (shadow.wants(served.requestId)) shadow.run({ primary: plan, served, entityRows });
    },
    failed(error) {
      const isOurs = !(error instanceof MillraceError) || error.status >= FAILURE_STATUS_MIN;
      if (isOurs) arm.failed();
    },
  };
}

/** Of the first row: the rows of one request are alike, and count as one sample. */
function recordOutput(
  arm: ArmRecorder,
  field: Plan['answer'][number],
  [first]: Parameters<AnswerObserver['answered']>[0]['parts'],
): void {
  if (first === undefined) return;
  const [value] = numbersOf([{ ...first, count: 1 }], field);
  if (value !== undefined) arm.output(field.name, value);
}

interface WantedShadow {
  wants(requestId: string): boolean;
  run(task: Parameters<NonNullable<RunningShadow['runner']>['run']>[0]): void;
}

function shadowOf(running: RunningShadow, { plan, recorder, shadowCounts }: ObservedVariant): WantedShadow {
  const { variant, sample, output, threshold } = running.shadow;
  const record = recorder.shadow(variant);
  const counts = shadowCounts(variant);
  const field = plan.answer.find(({ name }) => output === undefined || name === output);
  return {
    wants: (requestId) =>
      field !== undefined &&
      running.runner !== undefined &&
      (sample === 1 || fractionOf(['shadow', variant, requestId]) < sample),
    run(task) {
      const { parts, latencyMs } = task.served;
      const isRun = running.runner?.run(task, {
        compared(values, shadowMs) {
          const primary = numbersOf(parts, field as NonNullable<typeof field>);
          record.compared({ primary, shadow: values, primaryMs: latencyMs, shadowMs, threshold });
          counts.compared.add(1);
        },
        failed() {
          record.failed();
          counts.failed.add(1);
        },
      });
      if (isRun === true) return;
      record.shed();
      counts.shed.add(1);
    },
  };
}
