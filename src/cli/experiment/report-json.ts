/** The report as JSON, as docs/experiments.md describes it. What is not known is null, and so is a bound that is infinite. */
import type { JudgedContrast } from '../../experiments/conclude.ts';
import type { ExperimentReport, MetricReport } from '../../experiments/report.ts';
import type { ArmCount } from '../../experiments/sample-ratio.ts';
import type { Collision } from '../../experiments/collisions.ts';
import type { Interval } from '../../stats/interval.ts';
import type { JsonObject } from '../../project/json-text.ts';

export function reportJson(report: ExperimentReport): JsonObject {
  const { kind, name, endpoint, alpha, filter, versions, units, outcomes, events, holdout } = report;
  const names = report.arms.map(({ variant }) => variant);
  return {
    kind,
    name,
    endpoint,
    alpha,
    from: timeText(filter.fromMs),
    to: timeText(filter.toMs),
    with_bots: filter.withBots,
    versions: [...versions],
    older_runs: report.otherRuns.map(({ kind: own, versions: of }) => ({ kind: own, versions: [...of] })),
    is_stratified: report.isStratified,
    first_exposure: timeText(report.firstExposureMs),
    last_exposure: timeText(report.lastExposureMs),
    units: unitsJson(units),
    crossings: crossingsJson(report),
    arms: report.arms.map(({ variant, share, crossed, bots, outcomeP, ...outcome }) => ({
      variant,
      share,
      ...outcomeJson(outcome),
      crossed,
      bots,
      outcome_p: outcomeP ?? null,
    })),
    holdout: holdout === undefined ? null : outcomeJson(holdout),
    sample_ratio: sampleRatioJson(report, names),
    outcomes: {
      predictions: outcomes.predictions,
      with_outcome: outcomes.withOutcome,
      forced: outcomes.forced,
      without_exposure: outcomes.withoutExposure,
      unusable: outcomes.unusable,
      unmatched: outcomes.unmatched,
      unreadable: outcomes.unreadable,
    },
    events: events === undefined ? null : { ...events },
    metrics_without_events: [...report.metricsWithoutEvents],
    metrics: report.metrics.map((metric) => metricJson(metric, names)),
    other_experiments: report.collisions.map((collision) => collisionJson(collision, names)),
    units_over_time: report.running.map((point) => ({
      time: timeText(point.timeMs),
      units: byName(names, point.units),
    })),
  };
}

function unitsJson({ forcedAway, ...units }: ExperimentReport['units']): JsonObject {
  return { ...units, forced_away: forcedAway };
}

function crossingsJson({ crossings: { share, isLarge, p, isUneven } }: ExperimentReport): JsonObject {
  return { share, is_large: isLarge, p, is_uneven: isUneven };
}

interface Outcome {
  readonly units: number;
  readonly predictions: number;
  readonly withOutcome: number;
}

function outcomeJson({ units, predictions, withOutcome }: Outcome): JsonObject {
  return { units, predictions, predictions_with_outcome: withOutcome };
}

function sampleRatioJson({ sampleRatio }: ExperimentReport, names: readonly string[]): JsonObject {
  const counts = (arms: readonly ArmCount[]): JsonObject =>
    byName(
      names,
      arms.map(({ units, expected }) => ({ units, expected })),
    );
  return {
    is_mismatch: sampleRatio.isMismatch,
    p: sampleRatio.p,
    sequential_p: sampleRatio.sequentialP,
    arms: counts(sampleRatio.arms),
    splits: sampleRatio.splits.map(({ by, name, arms, p }) => ({ by, name, p, arms: counts(arms) })),
  };
}

function metricJson(metric: MetricReport, names: readonly string[]): JsonObject {
  const { name, goal, form, arms, holdout, contrasts, varianceReduction, weighted } = metric;
  return {
    name,
    source: metric.source.kind,
    goal,
    form,
    variance_reduction: varianceReduction ?? null,
    versions_left_out: [...metric.versionsLeftOut],
    arms: arms.map(({ units, mean, credible, chanceBest, expectedLoss }, i) => ({
      variant: names[i] ?? '',
      units,
      value: mean ?? null,
      credible: boundsJson(credible),
      chance_best: chanceBest ?? null,
      expected_loss: expectedLoss ?? null,
      ...(weighted[i] !== undefined && {
        ips: weighted[i].ips ?? null,
        snips: weighted[i].snips ?? null,
        effective_units: weighted[i].effectiveUnits,
      }),
    })),
    holdout: holdout === undefined ? null : { units: holdout.units, value: holdout.mean ?? null },
    comparisons: contrasts.map((contrast, i) => ({
      ...contrastJson(contrast, names),
      over_time: (metric.running[i] ?? []).map(({ timeMs, units, difference, lower, upper }) => ({
        time: timeText(timeMs),
        units,
        difference,
        lower,
        upper,
      })),
    })),
  };
}

function contrastJson(
  { arm, difference, relative, fixed, alwaysValid, conclusion }: JudgedContrast,
  names: readonly string[],
): JsonObject {
  return {
    variant: names[arm] ?? '',
    against: names[0] ?? '',
    conclusion,
    difference,
    one_look: { lower: fixed.lower, upper: fixed.upper, p: fixed.p, corrected_p: fixed.correctedP },
    always_valid: {
      lower: alwaysValid.lower,
      upper: alwaysValid.upper,
      p: alwaysValid.p,
      corrected_p: alwaysValid.correctedP,
      corrected: boundsJson(alwaysValid.corrected),
    },
    relative:
      relative === undefined
        ? null
        : {
            difference: relative.difference,
            one_look: boundsJson(relative.fixed),
            always_valid: boundsJson(relative.alwaysValid),
          },
  };
}

function collisionJson(collision: Collision, names: readonly string[]): JsonObject {
  const { other, units, otherVariants, table, p, cramersV, isDependent, interactions } = collision;
  return {
    name: other,
    units,
    counts: byName(
      names,
      table.map((row) => byName(otherVariants, row)),
    ),
    p,
    cramers_v: cramersV,
    is_dependent: isDependent,
    interactions: interactions.map(({ metric, arm, otherBase, otherVariant, ...found }) => ({
      metric,
      variant: names[arm] ?? '',
      other_variant: otherVariants[otherVariant] ?? '',
      other_base: otherVariants[otherBase] ?? '',
      difference: found.difference,
      lower: found.lower,
      upper: found.upper,
      p: found.p,
      corrected_p: found.correctedP,
    })),
  };
}

function byName(names: readonly string[], values: readonly JsonObject[string][]): JsonObject {
  return Object.fromEntries(names.map((name, i) => [name, values[i] ?? null]));
}

function boundsJson(interval: Interval | undefined): JsonObject | null {
  return interval === undefined ? null : { lower: interval.lower, upper: interval.upper };
}

function timeText(timeMs: number | undefined): string | null {
  return timeMs === undefined || !Number.isFinite(timeMs) ? null : new Date(timeMs).toISOString();
}
