/** Where a report is read from. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { reportOf } from '../../../src/cli/experiment/run-report.ts';
import type { ExperimentReport } from '../../../src/experiments/report.ts';
import { openLmdbEnvironment } from '../../../src/lmdb/lmdb-environment.ts';
import type { Endpoint, Project } from '../../../src/project/project.ts';
import { createUnitProtection } from '../../../src/serving/field-protection.ts';
import { createLogWriter, FIRST_MS } from '../../experiments/written-logs.ts';
import type { LogWriter } from '../../experiments/written-logs.ts';
import { writeProject } from './shop-project.ts';

let dir: string;
let writer: LogWriter;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-run-report-'));
  writer = createLogWriter();
});
afterEach(async () => {
  writer.remove();
  await rm(dir, { recursive: true });
});

const filter = {
  fromMs: -Infinity,
  toMs: Infinity,
  versions: undefined,
  withBots: false,
  against: undefined,
};

async function read(project: Project, name = 'exp'): Promise<ExperimentReport> {
  return reportOf(project, { project: dir, data: writer.path, name, filter });
}

describe('a report', () => {
  it('finds the events of units that are hashed in the prediction log', async () => {
    const project = await writeProject(dir, '{ hash: [user] }');
    const key = Buffer.alloc(32, 7);
    const [endpoint] = project.endpoints.values();
    const protect = createUnitProtection(endpoint as Endpoint, key);
    for (const user of ['x', 'y']) {
      writer.expose({ unit: protect(user), variant: 'a', timeMs: FIRST_MS });
      const purchase = project.eventTypes.get('purchase');
      if (purchase !== undefined) writer.event(purchase, [user, user === 'x' ? 3 : 5], FIRST_MS + 1);
    }
    await writer.write([...project.eventTypes.values()]);
    const environment = await openLmdbEnvironment({ path: writer.path });
    await environment.transaction(() => environment.textKeys('prediction_secrets')?.put('hash', key));
    await environment.close();
    const { metrics, events } = await read(project);
    expect(metrics[1]?.arms[0]).toMatchObject({ units: 2, mean: 4 });
    expect(events).toMatchObject({ events: 2, counted: 2 });
  });

  it('says which metrics it cannot have without an event log', async () => {
    const project = await writeProject(dir);
    writer.expose({ unit: 'x', variant: 'a', timeMs: FIRST_MS });
    await writer.write();
    const report = await read(project);
    expect(report.metricsWithoutEvents).toEqual(['revenue']);
    expect(report.metrics.map(({ name }) => name)).toEqual(['conversion', 'error']);
  });

  it('of a canary is that of its endpoint', async () => {
    const project = await writeProject(dir);
    for (const [i, variant] of ['old', 'old', 'new'].entries()) {
      const request = { unit: `r-${i}`, variant, timeMs: FIRST_MS, experiment: 'next', endpoint: 'next' };
      const drawn = { ...request, how: 'random', propensity: variant === 'new' ? 0.01 : 0.99 } as const;
      writer.expose(drawn);
      writer.predict({ ...drawn, requestId: `r-${i}`, feedback: [{ label: true }] });
    }
    await writer.write();
    const { kind, arms, units, metrics } = await read(project, 'next');
    expect(kind).toBe('canary');
    expect(arms.map(({ variant, units: own }) => [variant, own])).toEqual([
      ['old', 2],
      ['new', 1],
    ]);
    expect(units.random).toBe(3);
    expect(metrics[0]?.arms.map((arm) => arm.units)).toEqual([2, 1]);
  });

  it('needs a log of predictions', async () => {
    const project = await writeProject(dir);
    const environment = await openLmdbEnvironment({ path: writer.path });
    await environment.close();
    await expect(read(project)).rejects.toThrow('There are no predictions in');
    await writer.write();
    await expect(read(project, 'nex')).rejects.toThrow('did you mean "next"?');
    const against = { ...filter, against: 'layuot' };
    const other = reportOf(project, { project: dir, data: writer.path, name: 'exp', filter: against });
    await expect(other).rejects.toThrow('did you mean "layout"?');
  });
});
