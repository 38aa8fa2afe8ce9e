/**
 * The runs of an endpoint's experiments, canaries and bandits, out of its log of changes. A run is a stretch of versions
 * under which units can be compared: of one kind and name, an experiment with the same hash, a canary of the same two
 * variants. Other weights or metrics, steps, pauses and new shares continue a run. What has the same name and came before
 * is another run, whose units say nothing of this one.
 */
import { MillraceError } from '../../errors.ts';
import { definitionOf } from '../../experiments/definition.ts';
import type { ExperimentDefinition } from '../../experiments/definition.ts';
import { newUnitShares } from '../../experiments/new-unit-shares.ts';
import type { Shares } from '../../experiments/new-unit-shares.ts';
import type { Endpoint, Project } from '../../project/project.ts';
import type { Experiment, Rollout } from '../../project/rollout.ts';
import { decodeRollout } from '../../rollouts/decode-rollout.ts';
import type { AuditEntry, RolloutRecord } from '../../rollouts/rollout-record.ts';
import { createSplit } from '../../rollouts/split.ts';

interface RunVersion {
  readonly record: RolloutRecord;
  readonly rollout: Rollout;
}

interface Run {
  readonly key: string;
  /** Latest first. */
  readonly versions: RunVersion[];
}

/**
 * @param entries latest first
 * @returns the newest run of each name, latest first, with its older ones
 */
export function runsOf(
  { eventTypes }: Project,
  endpoint: Endpoint,
  entries: readonly AuditEntry[],
): ExperimentDefinition[] {
  const decoded = new Map<string, Rollout | undefined>();
  const runs: Run[] = [];
  let current: Run | undefined;
  for (const { after: record } of entries) {
    const { section } = record;
    if (!decoded.has(section)) decoded.set(section, soundRollout(section, endpoint, eventTypes));
    const rollout = decoded.get(section);
    const key = rollout === undefined ? undefined : keyOf(rollout);
    if (rollout === undefined || key === undefined) {
      current = undefined;
      continue;
    }
    if (current?.key !== key) {
      current = { key, versions: [] };
      runs.push(current);
    }
    current.versions.push({ record, rollout });
  }
  const definitions = runs.flatMap(({ versions }) => definitionFrom(endpoint, versions));
  const newest = new Map<string, ExperimentDefinition>();
  for (const definition of definitions.toReversed()) {
    const older = newest.get(definition.name);
    const olderRuns = older === undefined ? [] : [older, ...(older.olderRuns ?? [])];
    newest.set(definition.name, { ...definition, olderRuns });
  }
  return definitions.flatMap(({ name, versions }) => {
    const found = newest.get(name);
    return found !== undefined && found.versions === versions ? [found] : [];
  });
}

/** The same within a run; undefined where traffic is not split. */
function keyOf({ policy, serve }: Rollout): string | undefined {
  switch (policy.kind) {
    case 'fixed':
      return undefined;
    case 'experiment':
      return JSON.stringify([policy.kind, policy.name, policy.seed, policy.hashVersion]);
    case 'canary':
      return JSON.stringify([policy.kind, policy.name, policy.candidate, serve]);
    case 'bandit':
      return JSON.stringify([policy.kind, policy.name]);
  }
}

/** @param versions latest first */
function definitionFrom(endpoint: Endpoint, versions: readonly RunVersion[]): ExperimentDefinition[] {
  const [latest] = versions;
  const definition = latest && definitionOf(endpoint, latest.rollout);
  if (latest === undefined || definition === undefined) return [];
  const shares = new Map<number, readonly Shares[]>();
  const positions = new Map(versions.map(({ record }, i) => [record.version, i]));
  const sharesOf = (version: number): readonly Shares[] | undefined => {
    const position = positions.get(version);
    if (position === undefined) return undefined;
    const known = shares.get(version) ?? sharesUnder(versions, position);
    shares.set(version, known);
    return known;
  };
  const now = splitShares(latest);
  const arms = definition.arms.map(({ variant }) => ({ variant, share: now[variant] ?? 0 }));
  return [{ ...definition, arms, sharesOf, versions: new Set(positions.keys()) }];
}

function sharesUnder(versions: readonly RunVersion[], position: number): readonly Shares[] {
  const version = versions[position] as RunVersion;
  const experiment = runningExperiment(version);
  if (experiment === undefined) return [splitShares(version)];
  const earlier = versions.slice(position + 1).flatMap((each) => runningExperiment(each) ?? []);
  return newUnitShares(experiment, earlier);
}

function runningExperiment({ record, rollout: { policy } }: RunVersion): Experiment | undefined {
  return policy.kind === 'experiment' && record.phase !== 'rolled_back' ? policy : undefined;
}

function splitShares({ record, rollout }: RunVersion): Shares {
  return Object.fromEntries(createSplit(rollout, record, Math.random).shares);
}

/** What names a variant that is gone cannot be reported on any more. */
function soundRollout(
  section: string,
  endpoint: Endpoint,
  eventTypes: Project['eventTypes'],
): Rollout | undefined {
  try {
    return decodeRollout(JSON.parse(section), endpoint, eventTypes);
  } catch (error) {
    if (error instanceof MillraceError) return undefined;
    throw error;
  }
}
