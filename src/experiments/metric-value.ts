/** What a logged prediction says for a metric: the outcomes that were told of it, or how far it was from them. */
import type { Feedback, JoinedPrediction, LoggedRow } from '../events/joined-predictions.ts';
import type { FeedbackField, MetricSource } from '../project/rollout.ts';

export interface MetricValues {
  readonly values: readonly number[];
  /** Outcomes that say nothing in numbers: a label that is text, an output that is no number. */
  readonly unusable: number;
}

type PredictionSource = Extract<MetricSource, { readonly kind: 'feedback' | 'score' }>;

const none: MetricValues = { values: [], unusable: 0 };

export function metricValues(source: PredictionSource, prediction: JoinedPrediction): MetricValues {
  if (prediction.feedback.length === 0) return none;
  return source.kind === 'feedback'
    ? feedbackValues(source.field, prediction)
    : scoreValues(source, prediction);
}

/** One for each row that was told of by itself, and one for the request as a whole if that was told of. */
function feedbackValues(field: FeedbackField, { feedback, rows }: JoinedPrediction): MetricValues {
  const latest = new Map<number | undefined, Feedback>();
  for (const each of feedback) {
    // A request of one row is that row.
    const about = rows.length === 1 ? 0 : each.row;
    if (each[field] !== undefined) latest.set(about, each);
  }
  return collect([...latest.values()].map((each) => numberFrom(each[field])));
}

function scoreValues(
  { score, output, field }: Extract<MetricSource, { readonly kind: 'score' }>,
  { rows }: JoinedPrediction,
): MetricValues {
  const scored = rows.flatMap((row): (number | undefined)[] => {
    const outcome = latestOf(row, field);
    if (outcome === undefined) return [];
    const predicted = row.outputs[output];
    const actual = numberFrom(outcome);
    if (typeof predicted !== 'number' || actual === undefined) return [undefined];
    return [scoreOf(score, predicted, actual)];
  });
  return collect(scored);
}

function latestOf({ feedback }: LoggedRow, field: FeedbackField): Feedback[FeedbackField] {
  return feedback.findLast((each) => each[field] !== undefined)?.[field];
}

/** So that a prediction that was certain and wrong costs much, and not everything. */
const CERTAIN = 1e-15;

type Score = Extract<MetricSource, { readonly kind: 'score' }>['score'];

function scoreOf(score: Score, predicted: number, actual: number): number | undefined {
  switch (score) {
    case 'brier':
    case 'squared_error':
      return (predicted - actual) ** 2;
    case 'absolute_error':
      return Math.abs(predicted - actual);
    case 'log_loss': {
      if (actual < 0 || actual > 1 || predicted < 0 || predicted > 1) return undefined;
      const chance = Math.min(Math.max(predicted, CERTAIN), 1 - CERTAIN);
      return -(actual * Math.log(chance) + (1 - actual) * Math.log1p(-chance));
    }
  }
}

function numberFrom(outcome: string | number | boolean | undefined): number | undefined {
  if (typeof outcome === 'boolean') return outcome ? 1 : 0;
  return typeof outcome === 'number' && Number.isFinite(outcome) ? outcome : undefined;
}

function collect(found: readonly (number | undefined)[]): MetricValues {
  const values = found.filter((value) => value !== undefined);
  return { values, unusable: found.length - values.length };
}
