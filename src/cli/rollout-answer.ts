/** What the server answers of rollouts (serving/rollout-status.ts), as far as the command line prints it. */

export interface RolloutOverview {
  readonly endpoint: string;
  readonly version: number;
  readonly phase: string;
  readonly policy: string;
  readonly experiment: string | null;
  readonly shares_percent: Readonly<Record<string, number>>;
  readonly shadows: readonly string[];
}

export interface RolloutAnswer {
  readonly endpoint: string;
  readonly version: number;
  readonly phase: string;
  readonly policy: string;
  readonly origin: 'file' | 'api';
  readonly changed_at: string;
  readonly differs_from_file: boolean;
  readonly problem?: string;
  readonly warnings: readonly string[];
  readonly rollout: unknown;
  readonly experiment: string | null;
  readonly serve: string;
  readonly shares_percent: Readonly<Record<string, number>>;
  readonly takes_part?: TakesPart;
  readonly last_change?: { readonly action: string; readonly by: string; readonly reason: string };
  readonly canary?: CanaryAnswer;
  readonly variants?: Readonly<Record<string, VariantAnswer>>;
  readonly shadows?: Readonly<Record<string, ShadowAnswer>>;
  readonly verdict?: VerdictAnswer;
}

interface TakesPart {
  readonly coverage_percent: number;
  readonly layer?: string;
  readonly holdout?: string;
  readonly when?: string;
}

interface CanaryAnswer {
  readonly candidate: string;
  readonly step: number;
  readonly steps_percent: readonly number[];
  readonly since: string;
  readonly interval_ms: number;
}

export interface VariantAnswer {
  readonly answered: number;
  readonly failed: number;
  readonly latency_ms_p50?: number;
  readonly latency_ms_p99?: number;
  readonly feedback?: Readonly<Record<string, { readonly count: number; readonly mean: number }>>;
}

interface Quantiles {
  readonly p50?: number;
  readonly p90?: number;
  readonly p99?: number;
  readonly max?: number;
}

export interface ShadowAnswer {
  readonly requests: number;
  readonly rows: number;
  readonly errors: number;
  readonly shed: number;
  readonly flip_share?: number;
  readonly absolute_difference: Quantiles;
  readonly relative_difference: Quantiles;
  readonly rank_correlation?: number;
  readonly population_stability_index?: number;
  readonly answered_latency_ms: Quantiles;
  readonly shadow_latency_ms: Quantiles;
  readonly latency_difference_ms?: number;
}

interface VerdictAnswer {
  readonly verdict: string;
  readonly candidate_requests: number;
  readonly baseline_requests: number;
  readonly requests_missing: number;
  readonly guardrails: readonly GuardrailAnswer[];
}

interface GuardrailAnswer {
  readonly label: string;
  readonly verdict: string;
  readonly sentence: string;
  readonly candidate?: number;
  readonly baseline?: number;
  readonly value_unit: string;
  readonly harm: { readonly estimate?: number; readonly lower?: number; readonly upper?: number };
  readonly limit: number;
  readonly unit: string;
  readonly more_samples?: number;
}

export interface AuditAnswer {
  readonly endpoint: string;
  readonly entries: readonly {
    readonly version: number;
    readonly at: string;
    readonly by: string;
    readonly action: string;
    readonly reason: string;
    readonly phase: string;
    readonly step?: number;
  }[];
}
