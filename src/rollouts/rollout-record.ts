/**
 * What is stored of the rollout of an endpoint: the section as it was last given, where a canary or bandit has got to,
 * and who changed it last. The project file is the start; what was changed at run time stays, also after a restart.
 *
 * A record is replaced as a whole, each time with the next version (rollout-store.ts). The version is the policy version
 * of exposures: under one version, the share of each variant does not change.
 */

export interface RolloutRecord {
  readonly endpoint: string;
  /** 1, 2, 3 … */
  readonly version: number;
  /**
   * Since when samples are comparable: pausing does not change what is compared, a step does. A time, so that it never
   * comes again, also where a store has lost its records and versions begin anew.
   */
  readonly samplesVersion: number;
  readonly changedMs: number;
  /** Whether it is as the project file says, or was changed at run time. */
  readonly origin: 'file' | 'api';
  /** The section `rollout` as JSON, as in the project file. */
  readonly section: string;
  /** The section of the project file when it was last looked at, to see whether the file has changed since. */
  readonly fileSection: string;
  readonly phase: RolloutPhase;
  /** Undefined without a canary. */
  readonly canary?: CanaryState | undefined;
  /** Undefined without a bandit. */
  readonly bandit?: BanditState | undefined;
}

/**
 * running: as the section says. paused: a canary keeps its share; it may still be rolled back. promoted: the candidate
 * has all. rolled_back: everybody gets what `serve` names.
 */
export type RolloutPhase = 'running' | 'paused' | 'promoted' | 'rolled_back';

/** What is promoted or rolled back is over: nothing is compared any more. */
export function isGoingOn({ phase }: RolloutRecord): boolean {
  return phase === 'running' || phase === 'paused';
}

export interface CanaryState {
  /** Position in the steps. */
  readonly step: number;
  /** When this step began, or was resumed. */
  readonly sinceMs: number;
}

export interface BanditState {
  /** By arm; together 1. */
  readonly shares: Readonly<Record<string, number>>;
  readonly sinceMs: number;
}

export const rolloutActions = [
  'start',
  'put',
  'file',
  'step',
  'promote',
  'rollback',
  'pause',
  'resume',
  'shares',
] as const;
export type RolloutAction = (typeof rolloutActions)[number];

/** A line of the audit log: who changed what, when, and why. */
export interface AuditEntry {
  readonly endpoint: string;
  /** The version that the change made. */
  readonly version: number;
  readonly atMs: number;
  /** A person, as the call says it; `judge`, or `project file`. */
  readonly by: string;
  readonly action: RolloutAction;
  readonly reason: string;
  /** What was judged, with its numbers, where the judge did it. */
  readonly verdict?: unknown;
  /** The record after the change. */
  readonly after: RolloutRecord;
}
