/** What is known of an experiment, a canary or a bandit. `read-report.ts` makes it of the logs. */
import type { Arm, Metric } from '../project/rollout.ts';
import type { Collision } from './collisions.ts';
import type { ArmResult } from './compare-arms.ts';
import type { JudgedContrast } from './conclude.ts';
import type { Crossings } from './crossings.ts';
import type { ExperimentDefinition } from './definition.ts';
import type { MetricForm } from './metric-sample.ts';
import type { EventCounts } from './read-events.ts';
import type { OutcomeCounts } from './read-outcomes.ts';
import type { SampleRatio } from './sample-ratio.ts';
import type { RunningInterval, RunningUnits } from './time-line.ts';
import type { ExposureFilter } from './unit-table.ts';
import type { WeightedArm } from './weighted-arms.ts';

export interface ExperimentReport {
  readonly kind: ExperimentDefinition['kind'];
  readonly name: string;
  readonly endpoint: string;
  readonly alpha: number;
  readonly filter: ExposureFilter;
  /** Of the same name, from before this run, latest first. */
  readonly otherRuns: readonly OtherRun[];
  /** Versions of the rollout under which units came in. */
  readonly versions: readonly number[];
  /** Arms are compared version by version, for units came in under several. */
  readonly isStratified: boolean;
  /** Undefined if there are none. */
  readonly firstExposureMs: number | undefined;
  readonly lastExposureMs: number | undefined;
  readonly units: UnitCounts;
  readonly arms: readonly ArmUnits[];
  readonly crossings: Crossings;
  /** Undefined if there is none. */
  readonly holdout: UnitOutcomes | undefined;
  readonly sampleRatio: SampleRatio;
  readonly running: readonly RunningUnits[];
  readonly outcomes: OutcomeCounts;
  /** Undefined if no metric asks for events, or there are none. */
  readonly events: EventCounts | undefined;
  readonly metrics: readonly MetricReport[];
  /** Metrics that need the event log, and there is none. */
  readonly metricsWithoutEvents: readonly string[];
  readonly collisions: readonly Collision[];
}

export interface OtherRun {
  readonly kind: ExperimentDefinition['kind'];
  /** Ascending. */
  readonly versions: readonly number[];
}

export interface UnitCounts {
  /** All that were exposed, whatever is left out of them. */
  readonly exposed: number;
  /** In the metrics. */
  readonly counted: number;
  /** Of them, those that were seen in another variant later. */
  readonly crossed: number;
  readonly bots: number;
  /** A tester asked for the variant; left out. */
  readonly forced: number;
  /** Of units that the split gave an arm, those that a tester gave another; left out. */
  readonly forcedAway: number;
  /** Requests without a unit: each is one by itself. */
  readonly random: number;
  /** Given a variant that is no arm (any more); left out. */
  readonly elsewhere: number;
}

export interface UnitOutcomes {
  readonly units: number;
  readonly predictions: number;
  readonly withOutcome: number;
}

export interface ArmUnits extends Arm, UnitOutcomes {
  /** Of its units, those that were seen in another variant later. */
  readonly crossed: number;
  /** That are left out. */
  readonly bots: number;
  /** Whether as many predictions have outcomes as of the control, for one look; undefined of the control itself. */
  readonly outcomeP: number | undefined;
}

export interface MetricReport extends Pick<Metric, 'name' | 'goal' | 'source' | 'preMs'> {
  readonly form: MetricForm;
  readonly arms: readonly ArmResult[];
  /** Of the holdout. */
  readonly holdout: { readonly units: number; readonly mean: number | undefined } | undefined;
  readonly contrasts: readonly JudgedContrast[];
  /** Versions under which an arm has fewer than two units: they are not in every contrast. */
  readonly versionsLeftOut: readonly number[];
  /** By contrast. */
  readonly running: readonly (readonly RunningInterval[])[];
  /** The share of the variance that the own values of units before the experiment take away; undefined = not used. */
  readonly varianceReduction: number | undefined;
  /** Of a bandit, by arm; else nothing. */
  readonly weighted: readonly WeightedArm[];
}
