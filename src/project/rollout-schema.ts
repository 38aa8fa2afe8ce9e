/**
 * The section `rollout` of an endpoint, which is also the body of `PUT /v1/endpoints/{endpoint}/rollout`: its shape.
 * What its names mean is checked where the endpoint is known (build-rollout.ts). Shares are percent.
 */
import { z } from 'zod';
import { feedbackFields } from './rollout.ts';
import { duration, identifier, name } from './schema-values.ts';

const percent = z.number().min(0).max(100);
const PERCENT_MAX = 100;
const SEED_CHARS_MAX = 256;

const goal = z
  .enum(['increase', 'decrease'], { error: 'must be increase or decrease' })
  .default('increase')
  .describe('Which way is better.');
const pre = duration
  .optional()
  .describe(
    'How far back before its first exposure the own value of a unit is used to reduce the noise (CUPED).',
  );
const feedbackField = z.enum(feedbackFields, { error: `must be ${feedbackFields.join(', ')}` });
const output = z.string().min(1, 'must name a field of the answer');

const metric = z.union([
  z.strictObject({
    feedback: feedbackField.describe('The mean of what is told of predictions.'),
    goal,
    pre,
  }),
  z.strictObject({
    score: z
      .enum(['brier', 'log_loss', 'squared_error', 'absolute_error'])
      .describe('How far a prediction is from what came of it.'),
    output: output.describe('The field of the answer that predicts it.'),
    against: z.enum(['label', 'reward']).default('label').describe('What came of it, as feedback tells it.'),
    goal: goal.unwrap().default('decrease').describe('Which way is better.'),
    pre,
  }),
  z.strictObject({
    event: z.string().describe('The event type that is counted, after the first exposure of a unit.'),
    unit: z.string().describe('The field of the event that holds the unit.'),
    count: z.literal(true).optional().describe('true: how many of them a unit has.'),
    any: z.literal(true).optional().describe('true: whether a unit has any.'),
    sum: z.string().optional().describe('The field that is summed up for a unit.'),
    goal,
    pre,
  }),
  z.strictObject({
    ratio: z
      .tuple([z.string(), z.string()])
      .describe('Two metrics of this experiment: the sum of the first by the sum of the second.'),
    goal,
  }),
]);

const metrics = z.record(identifier, metric).default({}).describe('What the report compares, by name.');
const alpha = z.number().gt(0).max(0.5).default(0.05);

const layer = z.strictObject({
  name: name.describe('Experiments of one layer with ranges that do not overlap share no unit.'),
  range: z
    .tuple([percent, percent])
    .refine(([from, to]) => from < to, { error: 'must rise, like [0, 50]' })
    .describe('The part of the layer that this experiment takes, in percent.'),
});

const holdout = z.strictObject({
  name: name.describe('Experiments that name the same holdout leave out the same units.'),
  percent: percent.describe('How many units are left out.'),
});

const experiment = z.strictObject({
  name: name.optional().describe('Without it, the name of the endpoint. Unique in the project.'),
  weights: z
    .record(z.string(), percent)
    .describe('The share of each variant in percent, together 100. The first is the control.'),
  coverage: percent.default(PERCENT_MAX).describe('How many of the units take part, in percent.'),
  seed: z
    .string()
    .max(SEED_CHARS_MAX)
    .optional()
    .describe('What the hash begins with; without it, the name.'),
  hash_version: z
    .union([z.literal(1), z.literal(2)], { error: 'must be 1 or 2' })
    .default(2)
    .describe('As in GrowthBook.'),
  when: z
    .string()
    .min(1, 'must be an expression, not an empty string')
    .optional()
    .describe('Only requests for which this holds take part, like "request.distance > 500".'),
  layer: layer.optional().describe('Keeps this experiment apart from others.'),
  holdout: holdout.optional().describe('Units that no experiment may have.'),
  sticky: duration
    .optional()
    .describe('How long a unit keeps its first variant, whatever becomes of the weights.'),
  metrics,
  alpha: alpha.describe('How often a difference may be claimed where there is none.'),
});

const guardrail = z.discriminatedUnion(
  'metric',
  [
    z.strictObject({
      metric: z.literal('error_rate'),
      increase_max: percent.default(1).describe('By how many points of percent more requests may fail.'),
    }),
    z.strictObject({
      metric: z.literal('latency'),
      quantile: z.number().gt(0).lt(1).default(0.99),
      ratio_max: z.number().gt(0).default(1.5).describe('How many times the latency of the baseline.'),
    }),
    z.strictObject({
      metric: z.literal('output'),
      output: output.optional().describe('The field of the answer; without it, the first.'),
      distance_max: z
        .number()
        .gt(0)
        .max(1)
        .default(0.2)
        .describe('The largest distance of the two distribution functions, 0 to 1.'),
    }),
    z.strictObject({
      metric: z.literal('feedback'),
      field: feedbackField,
      decrease_max: z.number().min(0).optional().describe('By how much the mean may be lower.'),
      increase_max: z.number().min(0).optional().describe('By how much the mean may be higher.'),
    }),
    z.strictObject({
      metric: z.literal('shadow_flips'),
      percent_max: percent.default(5).describe('How many rows may fall on the other side of the threshold.'),
    }),
  ],
  { error: 'must be error_rate, latency, output, feedback or shadow_flips' },
);

const canary = z.strictObject({
  name: name.optional().describe('Without it, the name of the endpoint. Unique in the project.'),
  candidate: z.string().describe('The variant that is to take over from the one that `serve` names.'),
  steps: z
    .array(percent.gt(0))
    .min(1, 'needs at least one step')
    .refine((steps) => steps.every((step, i) => i === 0 || step > (steps[i - 1] as number)), {
      error: 'must rise, like [1, 5, 25, 50, 100]',
    })
    .default([1, 5, 25, 50, PERCENT_MAX])
    .describe('The share of the candidate in percent, step by step.'),
  interval: duration.default(10 * 60_000).describe('The least time of a step.'),
  samples_min: z
    .int()
    .min(1)
    .default(500)
    .describe('The least requests that the candidate answers in a step.'),
  guardrails: z
    .array(guardrail)
    .default([
      { metric: 'error_rate', increase_max: 1 },
      { metric: 'latency', quantile: 0.99, ratio_max: 1.5 },
    ])
    .describe('What must hold for a step to pass; what is shown not to hold rolls back.'),
  alpha: alpha.describe('How likely any verdict of this canary may be wrong.'),
});

const bandit = z.strictObject({
  name: name.optional().describe('Without it, the name of the endpoint. Unique in the project.'),
  arms: z.array(z.string()).min(2, 'needs at least two variants').describe('The variants to choose from.'),
  algorithm: z.enum(['thompson', 'ucb1']).default('thompson').describe('How shares follow rewards.'),
  reward: feedbackField.default('reward').describe('What is to be high.'),
  floor: percent.default(1).describe('The least share of an arm, in percent.'),
  interval: duration.default(60_000).describe('How often the shares are computed anew.'),
  metrics,
  alpha: alpha.describe('How often a difference may be claimed where there is none.'),
});

const shadow = z.union([
  z.string().transform((variant) => ({ variant, sample: PERCENT_MAX, output: undefined, threshold: 0.5 })),
  z.strictObject({
    variant: z.string().describe('The variant that predicts what is not answered.'),
    sample: percent.default(PERCENT_MAX).describe('Of how many requests, in percent.'),
    output: output.optional().describe('The field of the answer that is compared; without it, the first.'),
    threshold: z.number().default(0.5).describe('Where a decision flips.'),
  }),
]);

export const rolloutSchema = z.strictObject({
  serve: z
    .string()
    .optional()
    .describe('The variant for whoever is in no experiment, canary or bandit; without it, the first.'),
  experiment: experiment.optional().describe('Variants side by side, for as long as it takes to know.'),
  canary: canary.optional().describe('One variant takes over from another, step by step.'),
  bandit: bandit.optional().describe('The variant that earns most gets most.'),
  shadow: z
    .array(shadow)
    .default([])
    .describe('Variants that predict the same requests after the answer, to be compared.'),
});

export type RolloutSpec = z.output<typeof rolloutSchema>;
export type ExperimentSpec = z.output<typeof experiment>;
export type CanarySpec = z.output<typeof canary>;
export type BanditSpec = z.output<typeof bandit>;
export type ShadowSpec = z.output<typeof shadow>;
export type MetricSpec = z.output<typeof metric>;
export type GuardrailSpec = z.output<typeof guardrail>;

export const unitSchema = z.union([
  z.string(),
  z.strictObject({
    header: z
      .string()
      .regex(/^[A-Za-z0-9-]+$/, 'is not the name of a header')
      .describe('The header that holds the id of a session or person.'),
  }),
  z.strictObject({
    cookie: z
      .string()
      .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, 'is not the name of a cookie')
      .describe('The cookie that holds the id of a session or person.'),
  }),
]);
export type UnitSpec = z.output<typeof unitSchema>;
