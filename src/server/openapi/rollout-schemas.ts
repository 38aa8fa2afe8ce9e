/** What is answered about rollouts, as JSON Schema. */
import { rolloutActions } from '../../rollouts/rollout-record.ts';
import {
  array,
  count,
  described,
  mapOf,
  moment,
  nullable,
  number,
  object,
  oneOfNames,
  reference,
  text,
  truth,
} from './json-schema.ts';
import type { Schema } from './json-schema.ts';

const percent: Schema = { type: 'number', minimum: 0, maximum: 100 };
const phase = oneOfNames(['running', 'paused', 'promoted', 'rolled_back']);
const policy = oneOfNames(['fixed', 'experiment', 'canary', 'bandit']);
const shares = described(mapOf(percent), 'By variant, in percent.');
const verdict = oneOfNames(['pass', 'fail', 'inconclusive']);
const action = oneOfNames(rolloutActions);
const experiment = nullable(text);

export const overviewSchema = object({
  endpoints: array(
    object({
      endpoint: text,
      version: count,
      phase,
      policy,
      experiment,
      shares_percent: shares,
      shadows: array(text),
    }),
  ),
});

const latency = object({ p50: number, p99: number }, []);
const differences = object({ p50: number, p90: number, p99: number, max: number }, []);
const maybe = nullable(number);

const arm = object(
  {
    answered: count,
    failed: count,
    latency_ms_p50: maybe,
    latency_ms_p99: maybe,
    feedback: mapOf(object({ count, mean: number })),
  },
  ['answered', 'failed'],
);

const shadow = object(
  {
    requests: count,
    rows: count,
    errors: count,
    shed: count,
    non_finite_rows: count,
    flip_share: maybe,
    absolute_difference: differences,
    relative_difference: differences,
    rank_correlation: maybe,
    population_stability_index: maybe,
    distribution_distance: maybe,
    answered_latency_ms: latency,
    shadow_latency_ms: latency,
    latency_difference_ms: maybe,
  },
  ['requests', 'rows', 'errors', 'shed'],
);

const guardrail = object(
  {
    metric: text,
    label: text,
    verdict,
    sentence: text,
    candidate: maybe,
    baseline: maybe,
    value_unit: text,
    harm: object({ estimate: maybe, lower: maybe, upper: maybe }, []),
    limit: number,
    unit: text,
    more_samples: maybe,
  },
  ['metric', 'label', 'verdict', 'sentence', 'limit'],
);

const judged = object({
  verdict,
  candidate_requests: count,
  baseline_requests: count,
  requests_missing: number,
  guardrails: array(guardrail),
});

const canary = object({
  candidate: text,
  step: count,
  steps_percent: array(percent),
  since: moment,
  interval_ms: number,
});

const part = object({ coverage_percent: percent, layer: text, holdout: text, when: text }, [
  'coverage_percent',
]);

export const statusSchema = object(
  {
    endpoint: text,
    version: described(count, 'To be sent with a change.'),
    phase,
    origin: described(oneOfNames(['file', 'api']), 'Whether it is as the project file says.'),
    changed_at: moment,
    last_change: object({ action, by: text, reason: text }),
    differs_from_file: truth,
    problem: described(text, 'There if it cannot be used, and one variant answers instead.'),
    warnings: array(text),
    rollout: reference('Rollout'),
    policy,
    experiment,
    serve: text,
    shares_percent: shares,
    takes_part: part,
    canary,
    variants: described(mapOf(arm), 'What has been seen of each.'),
    shadows: mapOf(shadow),
    verdict: judged,
  },
  [
    'endpoint',
    'version',
    'phase',
    'origin',
    'changed_at',
    'differs_from_file',
    'warnings',
    'rollout',
    'policy',
    'experiment',
    'serve',
    'shares_percent',
  ],
);

const entry = object(
  {
    endpoint: text,
    version: count,
    at: moment,
    by: text,
    action,
    reason: text,
    verdict: described({}, 'What was judged, with its numbers.'),
    phase,
    step: count,
    shares: described(mapOf(number), 'Of a bandit, 0 to 1.'),
    rollout: reference('Rollout'),
  },
  ['endpoint', 'version', 'at', 'by', 'action', 'reason', 'phase', 'rollout'],
);

export const auditSchema = object({ endpoint: text, entries: array(entry) });
