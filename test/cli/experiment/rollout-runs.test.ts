/** Which versions of a rollout belong together, and what shares new units have under each. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { definitionsInEffect, readDefinitions } from '../../../src/cli/experiment/definitions-in-effect.ts';
import { runsOf } from '../../../src/cli/experiment/rollout-runs.ts';
import { reportOf } from '../../../src/cli/experiment/run-report.ts';
import { reportText } from '../../../src/cli/experiment/report-text.ts';
import { systemClock } from '../../../src/clock.ts';
import type { ExperimentDefinition } from '../../../src/experiments/definition.ts';
import type { ExperimentReport } from '../../../src/experiments/report.ts';
import { openLmdbEnvironment } from '../../../src/lmdb/lmdb-environment.ts';
import type { Endpoint, Project } from '../../../src/project/project.ts';
import { openLmdbRolloutStore } from '../../../src/rollouts/lmdb-rollout-store.ts';
import type { AuditEntry, RolloutAction, RolloutRecord } from '../../../src/rollouts/rollout-record.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import { createLogWriter, FIRST_MS } from '../../experiments/written-logs.ts';
import type { LogWriter } from '../../experiments/written-logs.ts';
import { writeProject } from './shop-project.ts';

let dir: string;
let writer: LogWriter;
let project: Project;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-rollout-runs-'));
  writer = createLogWriter();
  project = await writeProject(dir);
});
afterEach(async () => {
  writer.remove();
  await rm(dir, { recursive: true });
});

interface Change {
  readonly section: object;
  readonly action?: RolloutAction;
  readonly more?: Partial<RolloutRecord>;
}

/** Oldest first. */
function changes(endpoint: string, all: readonly Change[]): AuditEntry[] {
  return all.map(({ section, action = 'put', more = {} }, i): AuditEntry => {
    const version = i + 1;
    const [atMs, text] = [FIRST_MS + i, JSON.stringify(section)];
    const after: RolloutRecord = {
      endpoint,
      version,
      samplesVersion: version,
      changedMs: atMs,
      origin: 'api',
      section: text,
      fileSection: text,
      phase: 'running',
      ...more,
    };
    return { endpoint, version, atMs, by: 'ann', action, reason: '', after };
  });
}

const experiment = (more: object = {}): object => ({
  experiment: { weights: { a: 50, b: 50 }, metrics: { conversion: { feedback: 'label' } }, ...more },
});
const canary = { serve: 'a', canary: { candidate: 'b', steps: [5, 50] } };
const stepOf = (step: number): Partial<RolloutRecord> => ({ canary: { step, sinceMs: FIRST_MS } });

function runs(all: readonly Change[]): ExperimentDefinition[] {
  return runsOf(project, project.endpoints.get('shop') as Endpoint, changes('shop', all).toReversed());
}

const versionsOf = ({ versions = new Set() }: ExperimentDefinition): number[] =>
  [...versions].toSorted((a, b) => a - b);

describe('a run', () => {
  it('goes on through other weights, metrics and steps, and ends where another kind of the same name begins', () => {
    const found = runs([
      { section: canary, more: stepOf(0) },
      { section: canary, action: 'step', more: stepOf(1) },
      { section: canary, action: 'pause', more: { ...stepOf(1), phase: 'paused' } },
      { section: experiment() },
      { section: experiment({ weights: { a: 20, b: 80 } }) },
      { section: experiment({ metrics: {} }) },
    ]);
    expect(found.map(({ kind, name }) => [kind, name])).toEqual([['experiment', 'shop']]);
    expect(found.map(versionsOf)).toEqual([[4, 5, 6]]);
    expect(found[0]?.olderRuns?.map((run) => [run.kind, versionsOf(run)])).toEqual([['canary', [1, 2, 3]]]);
    expect(found[0]?.olderRuns?.[0]?.sharesOf?.(2)).toEqual([{ a: 0.5, b: 0.5 }]);
  });

  it('ends with a time without it, and with another seed', () => {
    const [found] = runs([
      { section: experiment() },
      { section: { serve: 'a' } },
      { section: experiment() },
      { section: experiment({ seed: 'again' }) },
    ]);
    expect(found && versionsOf(found)).toEqual([4]);
    expect(found?.olderRuns?.map(versionsOf)).toEqual([[3], [1]]);
  });

  it('has the shares of now, and those that new units have under each version', () => {
    const [found] = runs([
      { section: experiment({ weights: { a: 90, b: 10 }, coverage: 50 }) },
      { section: experiment({ coverage: 50 }) },
      { section: experiment({ coverage: 100 }) },
    ]);
    expect(found?.arms.map(({ share }) => share)).toEqual([0.5, 0.5]);
    expect(found?.sharesOf?.(1)).toEqual([{ a: expect.closeTo(0.9, 9), b: expect.closeTo(0.1, 9) }]);
    // Of a all were covered before, of b none: a new unit is one of b, unless it had not come at all.
    expect(found?.sharesOf?.(2)).toEqual([
      { a: 1, b: 0 },
      { a: 0, b: 1 },
    ]);
    expect(found?.sharesOf?.(4)).toBeUndefined();
  });
});

async function keep(entries: readonly AuditEntry[]): Promise<void> {
  const environment = await openLmdbEnvironment({ path: writer.path });
  const metrics = createMetrics();
  metrics.close();
  const store = openLmdbRolloutStore({ environment, clock: systemClock, metrics, log: createLog('silent') });
  for (const entry of entries) await store.change(entry.version - 1, entry);
  await store.close();
  await environment.close();
}

async function read(versions?: readonly number[]): Promise<ExperimentReport> {
  const filter = {
    fromMs: -Infinity,
    toMs: Infinity,
    versions: versions && new Set(versions),
    withBots: false,
    against: undefined,
  };
  return reportOf(project, { project: dir, data: writer.path, name: 'shop', filter });
}

describe('the report on a name that was used before', () => {
  it('is that of the newest run, tells of the older one, and has that if its versions are asked for', async () => {
    for (let i = 0; i < 40; i++) {
      const version = i < 20 ? 1 : 2;
      const person = { unit: `u-${i % 30}`, variant: i % 3 === 0 ? 'b' : 'a', timeMs: FIRST_MS + i };
      writer.expose({ ...person, version, experiment: 'shop' });
      const requestId = `r-${i}`;
      writer.predict({ ...person, version, experiment: 'shop', requestId, feedback: [{ label: true }] });
    }
    await writer.write();
    await keep(changes('shop', [{ section: canary, more: stepOf(0) }, { section: experiment() }]));
    const newest = await read();
    expect(newest).toMatchObject({ kind: 'experiment', versions: [2], units: { exposed: 20, crossed: 0 } });
    expect(newest.outcomes.predictions).toBe(20);
    expect(newest.otherRuns).toEqual([{ kind: 'canary', versions: [1] }]);
    expect(reportText(newest).replaceAll(/\s+/g, ' ')).toContain('look at it with --policy-version 1');
    const older = await read([1]);
    expect(older).toMatchObject({ kind: 'canary', versions: [1], units: { exposed: 20 }, otherRuns: [] });
  });
});

describe('what splits traffic now', () => {
  it('is what is in effect, and of the project file where nothing was kept', async () => {
    const place = { dataDir: writer.path, redis: undefined };
    const named = async (): Promise<unknown[]> =>
      (await readDefinitions(project, place)).map(({ name, kind, arms, versions }) => [
        name,
        kind,
        arms.map(({ share }) => share),
        versions !== undefined,
      ]);
    const ofFile = await named();
    expect(ofFile[0]).toEqual(['exp', 'experiment', [0.5, 0.5], false]);
    await keep([
      ...changes('shop', [
        { section: canary, more: stepOf(0) },
        { section: canary, action: 'step', more: stepOf(1) },
      ]),
      ...changes('pages', [{ section: { serve: 'x' } }]),
    ]);
    expect(await named()).toEqual([['shop', 'canary', [0.5, 0.5], true], ...ofFile.slice(2)]);
    const environment = await openLmdbEnvironment({ path: writer.path, readOnly: true });
    const { all } = await definitionsInEffect(project, environment, place);
    await environment.close();
    expect(all.map(({ name }) => name)).toEqual(['shop', 'exp', 'layout', 'next', 'best']);
  });

  it('is that of the project file without a data folder', async () => {
    const place = { dataDir: join(dir, 'nowhere'), redis: undefined };
    expect((await readDefinitions(project, place)).map(({ name }) => name)).toEqual([
      'exp',
      'layout',
      'next',
      'best',
    ]);
  });
});
