/** What each change makes of a record. Pure: whether it is kept is decided by the store, by the version. */
import { MillraceError } from '../errors.ts';
import type { Rollout } from '../project/rollout.ts';
import type { RolloutRecord } from './rollout-record.ts';

/** A record and what its section means. */
export interface Known {
  readonly record: RolloutRecord;
  readonly rollout: Rollout;
}

type Next = Omit<RolloutRecord, 'version' | 'changedMs'>;

function next(record: Next, before: number, nowMs: number): RolloutRecord {
  return { ...record, version: before + 1, changedMs: nowMs };
}

function later({ samplesVersion }: Pick<RolloutRecord, 'samplesVersion'>, nowMs: number): number {
  return Math.max(nowMs, samplesVersion + 1);
}

/**
 * The record of a section from its beginning.
 * @param from with the versions of the record before
 */
export function begin(
  section: string,
  rollout: Rollout,
  from: Pick<RolloutRecord, 'endpoint' | 'origin' | 'fileSection' | 'version' | 'samplesVersion'>,
  nowMs: number,
): RolloutRecord {
  const { policy } = rollout;
  const { endpoint, origin, fileSection, version } = from;
  const arms = policy.kind === 'bandit' ? policy.arms : [];
  const shares = Object.fromEntries(arms.map((arm) => [arm, 1 / arms.length]));
  return {
    endpoint,
    version: version + 1,
    samplesVersion: later(from, nowMs),
    changedMs: nowMs,
    origin,
    section,
    fileSection,
    phase: 'running',
    canary: policy.kind === 'canary' ? { step: 0, sinceMs: nowMs } : undefined,
    bandit: policy.kind === 'bandit' ? { shares, sinceMs: nowMs } : undefined,
  };
}

/** @throws MillraceError NO_CANARY */
export function nextStep({ record, rollout }: Known, nowMs: number): RolloutRecord {
  const canary = canaryOf({ record, rollout }, 'cannot take its next step');
  const { policy } = rollout;
  const step = canary.step + 1;
  // With all of the traffic there is nothing left to compare with: the canary is over.
  const isLast = policy.kind === 'canary' && (policy.steps[step] ?? 1) >= 1;
  if (isLast) return promoted(record, nowMs);
  const after = { ...record, samplesVersion: later(record, nowMs), canary: { step, sinceMs: nowMs } };
  return next(after, record.version, nowMs);
}

/** @throws MillraceError NO_CANARY */
export function promote(known: Known, nowMs: number): RolloutRecord {
  canaryOf(known, 'cannot be promoted');
  return promoted(known.record, nowMs);
}

function promoted(record: RolloutRecord, nowMs: number): RolloutRecord {
  const after: Next = { ...record, samplesVersion: later(record, nowMs), phase: 'promoted' };
  return next(after, record.version, nowMs);
}

/** Also of what was promoted: everybody gets what `serve` names. */
export function rollBack({ record, rollout }: Known, nowMs: number): RolloutRecord {
  if (rollout.policy.kind === 'fixed')
    throw new MillraceError('NO_CANARY', nothingRuns(record, 'there is nothing to roll back'));
  if (record.phase === 'rolled_back')
    throw new MillraceError('NO_CANARY', `The rollout of "${record.endpoint}" is rolled back already.`);
  const after: Next = { ...record, samplesVersion: later(record, nowMs), phase: 'rolled_back' };
  return next(after, record.version, nowMs);
}

/** @throws MillraceError NO_CANARY */
export function pause(known: Known, nowMs: number): RolloutRecord {
  canaryOf(known, 'cannot be paused');
  if (known.record.phase === 'paused')
    throw new MillraceError('NO_CANARY', `The canary of "${known.record.endpoint}" is paused already.`);
  return next({ ...known.record, phase: 'paused' }, known.record.version, nowMs);
}

/** The interval of the step begins anew; its samples stay. */
export function resume({ record, rollout }: Known, nowMs: number): RolloutRecord {
  const canary = canaryOf({ record, rollout }, 'cannot be resumed');
  if (record.phase !== 'paused')
    throw new MillraceError('NO_CANARY', `The canary of "${record.endpoint}" is not paused.`);
  const after: Next = { ...record, phase: 'running', canary: { ...canary, sinceMs: nowMs } };
  return next(after, record.version, nowMs);
}

/** New shares of a bandit; what was seen of its arms stays comparable. */
export function share(
  { record }: Known,
  shares: Readonly<Record<string, number>>,
  nowMs: number,
): RolloutRecord {
  return next({ ...record, bandit: { shares, sinceMs: nowMs } }, record.version, nowMs);
}

function canaryOf({ record, rollout }: Known, cannot: string): NonNullable<RolloutRecord['canary']> {
  const { policy } = rollout;
  if (policy.kind !== 'canary' || record.canary === undefined)
    throw new MillraceError('NO_CANARY', nothingRuns(record, `so it ${cannot}`));
  if (record.phase === 'running' || record.phase === 'paused') return record.canary;
  const state = record.phase === 'promoted' ? 'is promoted' : 'was rolled back';
  const sentence = `The canary of "${record.endpoint}" ${state}, so it ${cannot}; PUT a rollout to begin another.`;
  throw new MillraceError('NO_CANARY', sentence);
}

function nothingRuns({ endpoint }: RolloutRecord, what: string): string {
  return `The endpoint "${endpoint}" has no canary running: ${what}.`;
}
