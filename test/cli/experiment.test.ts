/** `millrace experiment`: the built command line on a project with logs. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLogWriter } from '../experiments/written-logs.ts';
import type { LogWriter } from '../experiments/written-logs.ts';
import { writeProject, writeShop } from './experiment/shop-project.ts';
import { run } from './process.ts';
import type { Finished } from './process.ts';

let dir: string;
let writer: LogWriter;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-cli-experiment-'));
  writer = createLogWriter();
  await writeShop(writer, await writeProject(dir), { units: 300, conversion: 0.4 });
}, 60_000);
afterAll(async () => {
  writer.remove();
  await rm(dir, { recursive: true });
});

async function report(...args: readonly string[]): Promise<Finished> {
  return run(['experiment', 'report', ...args, '--project', dir, '--data', writer.path]);
}

describe('millrace experiment report', () => {
  it('prints what is known, and writes a page', { timeout: 60_000 }, async () => {
    const html = join(dir, 'report.html');
    const { code, stdout, stderr } = await report('exp', '--html', html);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^experiment exp of the endpoint shop\n/);
    expect(await readFile(html, 'utf8')).toContain('<h1>experiment exp of the endpoint shop</h1>');
  });

  it('takes a time, versions, bots and one other experiment', { timeout: 60_000 }, async () => {
    const limits = [
      '--from',
      '2026-03-10T00:00:00Z',
      '--to',
      '2026-03-12T00:00:00Z',
      '--policy-version',
      '1',
      '2',
    ];
    const { stdout } = await report('exp', '--json', '--with-bots', '--against', 'best', ...limits);
    const json = JSON.parse(stdout) as { readonly units: { readonly exposed: number } };
    expect(json).toMatchObject({
      from: '2026-03-10T00:00:00.000Z',
      to: '2026-03-12T00:00:00.000Z',
      with_bots: true,
      other_experiments: [],
    });
    // Of 300 in ten days.
    expect(json.units.exposed).toBe(60);
  });

  it('guesses at what was meant by a name that there is not', { timeout: 60_000 }, async () => {
    expect(await report('exb')).toMatchObject({
      code: 1,
      stdout: '',
      stderr: 'millrace: there is no experiment "exb"; did you mean "exp"?\n',
    });
  });
});

describe('millrace experiment list', () => {
  it('prints what splits traffic', { timeout: 60_000 }, async () => {
    const { stdout } = await run(['experiment', 'list', '--project', dir]);
    expect(stdout.split('\n').map((line) => line.split(/ {2,}/).slice(0, 5))).toEqual([
      ['name', 'kind', 'endpoint', 'unit', 'arms'],
      ['exp', 'experiment', 'shop', 'field user', 'a 50 %, b 50 %'],
      ['layout', 'experiment', 'pages', 'field user', 'x 50 %, y 50 %'],
      ['next', 'canary', 'next', 'each request', 'old 99 %, new 1 %'],
      ['best', 'bandit', 'best', 'header x-user', 'a 50 %, b 50 %'],
      [''],
      ['from the project file: exp, layout, next, best'],
      [''],
    ]);
  });
});

describe('millrace experiment power', () => {
  it('tells units, days, and what can be found', { timeout: 60_000 }, async () => {
    const { stdout } = await run('experiment power --baseline 0.2 --lift 25% --units-per-day 100'.split(' '));
    expect(stdout).toMatch(/To find an effect of \+25 % \(\+0\.05\): 1,031 units in each arm, .* 21 days\./);
    expect(stdout).toMatch(/\n {4}14 {2}\+\d/);
    const mean = 'experiment power --baseline 20 --metric mean --sd 30 --units 5000 --share 10 --json';
    expect(JSON.parse((await run(mean.split(' '))).stdout)).toMatchObject({
      effect: null,
      smallest_share: 0.1,
      smallest_found: { units: 5000, difference: expect.closeTo(5.316, 3) },
    });
  });

  it('refuses what makes no sense', { timeout: 60_000 }, async () => {
    const { code, stderr } = await run('experiment power --baseline 2 --lift 5%'.split(' '));
    expect([code, stderr]).toEqual([2, expect.stringContaining('--baseline must lie between 0 and 1')]);
  });
});
