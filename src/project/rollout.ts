/**
 * How the traffic of an endpoint is split between its variants, as the project file starts it and a call changes it:
 * checked, with every name resolved. The same text is right in both places (rollout-schema.ts). Shares are fractions
 * here, 0 to 1, and percent in files.
 */
import type { EventField, EventType, SourceExpression } from './project.ts';

/** What is bucketed: a request field, or what a session sends with each request. */
export type Unit =
  | { readonly kind: 'field'; readonly name: string; readonly index: number }
  | { readonly kind: 'header'; readonly name: string }
  | { readonly kind: 'cookie'; readonly name: string };

export interface Rollout {
  /** Name of the variant for whoever is in no experiment, canary or bandit. */
  readonly serve: string;
  readonly policy: Policy;
  readonly shadows: readonly Shadow[];
}

export type Policy = { readonly kind: 'fixed' } | Experiment | Canary | Bandit;

/** A share of the units of a layer: experiments with ranges that do not overlap share no unit. */
export interface Layer {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

export interface Holdout {
  /** Experiments that name the same holdout leave out the same units. */
  readonly name: string;
  readonly share: number;
}

export interface Experiment {
  readonly kind: 'experiment';
  /** Unique in the project. */
  readonly name: string;
  /** In the order of the file, which is that of the ranges; the shares sum to 1. The first is the control. */
  readonly arms: readonly Arm[];
  readonly coverage: number;
  readonly seed: string;
  readonly hashVersion: 1 | 2;
  /** Only requests for which this holds, with the fields of the request. */
  readonly when: SourceExpression | undefined;
  readonly layer: Layer | undefined;
  readonly holdout: Holdout | undefined;
  /** How long a unit keeps the variant that it had first; undefined = as its hash says. */
  readonly stickyMs: number | undefined;
  readonly metrics: readonly Metric[];
  readonly alpha: number;
}

export interface Arm {
  readonly variant: string;
  readonly share: number;
}

export interface Canary {
  readonly kind: 'canary';
  readonly name: string;
  readonly candidate: string;
  /** Shares of the candidate, rising. Behind the last, and where a share is 1, it has taken over. */
  readonly steps: readonly number[];
  /** Least time of a step. */
  readonly intervalMs: number;
  /** Least requests that the candidate answers in a step. */
  readonly samplesMin: number;
  readonly guardrails: readonly Guardrail[];
  /** How likely it may be that any of its verdicts, ever, is wrong. */
  readonly alpha: number;
}

/** What the candidate may not do worse than the baseline, the variant that `serve` names. */
export type Guardrail =
  /** The share of requests that fail may be higher by this. */
  | { readonly metric: 'error_rate'; readonly increaseMax: number }
  /** A quantile of the latency may be this many times the baseline's. */
  | { readonly metric: 'latency'; readonly quantile: number; readonly ratioMax: number }
  /** The distributions of an output may differ by this: the largest distance of their distribution functions. */
  | { readonly metric: 'output'; readonly output: string | undefined; readonly distanceMax: number }
  /** The mean of what is told of predictions may be lower (`decrease`) or higher (`increase`) by this. */
  | {
      readonly metric: 'feedback';
      readonly field: FeedbackField;
      readonly direction: 'decrease' | 'increase';
      readonly changeMax: number;
    }
  /** Of the rows that it predicted as a shadow, this share may fall on the other side of the threshold. */
  | { readonly metric: 'shadow_flips'; readonly shareMax: number };

export const feedbackFields = ['label', 'reward', 'click'] as const;
export type FeedbackField = (typeof feedbackFields)[number];

export interface Bandit {
  readonly kind: 'bandit';
  readonly name: string;
  readonly arms: readonly string[];
  readonly algorithm: 'thompson' | 'ucb1';
  /** What is to be high: a label or click counts as 0 or 1. */
  readonly reward: FeedbackField;
  /** Least share of each arm. */
  readonly floor: number;
  /** How often the shares are computed anew. */
  readonly intervalMs: number;
  readonly metrics: readonly Metric[];
  readonly alpha: number;
}

export interface Shadow {
  readonly variant: string;
  /** Share of the requests. */
  readonly sample: number;
  /** The field of the answer that is compared; undefined = the first. */
  readonly output: string | undefined;
  /** A decision flips where one is above and the other is not. */
  readonly threshold: number;
}

/** What an experiment is judged by. */
export interface Metric {
  readonly name: string;
  readonly source: MetricSource;
  readonly goal: 'increase' | 'decrease';
  /** How far before its first exposure a unit's own value is taken as a covariate; undefined = none. */
  readonly preMs: number | undefined;
}

export type MetricSource =
  /** The mean, over predictions, of what was told of them. */
  | { readonly kind: 'feedback'; readonly field: FeedbackField }
  /** The mean, over predictions, of how far an output is from what was told of it. */
  | {
      readonly kind: 'score';
      readonly score: 'brier' | 'log_loss' | 'squared_error' | 'absolute_error';
      readonly output: string;
      readonly field: 'label' | 'reward';
    }
  /** The mean, over units, of their events after the first exposure: how many, the sum of a field, or whether any. */
  | {
      readonly kind: 'events';
      readonly event: EventType;
      readonly unitField: EventField;
      readonly aggregate: 'count' | 'any' | { readonly sum: EventField };
    }
  /** The sum of one metric's values over units, by that of another. */
  | { readonly kind: 'ratio'; readonly numerator: string; readonly denominator: string };

/**
 * How a request came to its variant. hash: its unit's bucket. sticky: what the unit was given first. random: it has no
 * unit. forced: a tester asked for it. holdout: its unit is kept out of experiments.
 */
export type AssignmentHow = 'hash' | 'sticky' | 'random' | 'forced' | 'holdout';
