/** The report for people: the text and the page have the numbers of the JSON, and say what they are. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { reportHtml } from '../../../src/cli/experiment/report-html.ts';
import { reportJson } from '../../../src/cli/experiment/report-json.ts';
import { reportText } from '../../../src/cli/experiment/report-text.ts';
import { reportOf } from '../../../src/cli/experiment/run-report.ts';
import type { ExperimentReport } from '../../../src/experiments/report.ts';
import { jsonText } from '../../../src/project/json-text.ts';
import type { Project } from '../../../src/project/project.ts';
import { createLogWriter } from '../../experiments/written-logs.ts';
import type { LogWriter } from '../../experiments/written-logs.ts';
import { writeProject, writeShop } from './shop-project.ts';

const WIDTH = 100;

let dir: string;
const writers: LogWriter[] = [];
let sound: ExperimentReport;
let broken: ExperimentReport;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-report-page-'));
  const project = await writeProject(dir);
  sound = await written(project, 0);
  broken = await written(project, 0.4);
}, 60_000);
afterAll(async () => {
  for (const writer of writers) writer.remove();
  await rm(dir, { recursive: true });
});

async function written(project: Project, lost: number): Promise<ExperimentReport> {
  const writer = createLogWriter();
  writers.push(writer);
  await writeShop(writer, project, { units: 1500, conversion: 0.32, lost });
  const filter = {
    fromMs: -Infinity,
    toMs: Infinity,
    versions: undefined,
    withBots: false,
    against: undefined,
  };
  return reportOf(project, { project: dir, data: writer.path, name: 'exp', filter });
}

describe('the text', () => {
  it('fits a terminal, and says in words what follows', () => {
    const text = reportText(sound);
    expect(text.split('\n').filter((line) => line.length > WIDTH)).toEqual([]);
    expect(text).toMatch(/^experiment exp of the endpoint shop\n1,5\d\d units, first seen from 2026-03-09 /);
    expect(text).toContain('The split is what was asked for');
    expect(text).toMatch(/conversion: share of units with label; higher is better\n {2}arm +units +value/);
    expect(text).toMatch(/\n {2}b: better than a, by \+0\.\d+ \(\+\d+(\.\d)? %\); it may be/);
    expect(text).toContain('look as often as you like');
    expect(text).toMatch(/CUPED: what units did before takes away \d+(\.\d)? % of the variance\./);
    expect(text).toMatch(/- \d+ units crossed over/);
    expect(text).toMatch(/- \d+ units say that they are bots, and are left out\./);
    expect(text).toMatch(/\n {2}holdout +75 /);
    expect(text).toMatch(/- layout has 1,\d+ units of this one; the two assignments are independent/);
  });

  it('names no winner where the split is wrong, and says what to look for', () => {
    const text = reportText(broken);
    expect(text.split('\n').filter((line) => line.length > WIDTH)).toEqual([]);
    expect(text).toMatch(
      /The split is not what was asked for \(p [^)]+\)\.\s+Nothing\s+can\s+be\s+concluded\./,
    );
    expect(text).toMatch(
      /It differs most in\n {2}- day 2026-03-\d\d: a \d+ instead of \d+, b \d+ instead of/,
    );
    expect(text).toContain('a variant that crashes');
    expect(text).not.toMatch(/better than|worse than|look as often/);
    expect(text).toContain('b: no conclusion');
  });

  it('says what several versions, older runs and units that crossed over mean for the numbers', () => {
    const [metric, ...metrics] = sound.metrics;
    const report: ExperimentReport = {
      ...sound,
      isStratified: true,
      otherRuns: [{ kind: 'experiment', versions: [1, 2] }],
      crossings: { share: 0.031, isLarge: true, p: 1e-5, isUneven: true },
      metrics: metric === undefined ? [] : [{ ...metric, versionsLeftOut: [4] }, ...metrics],
    };
    const lines = reportText(report).split('\n');
    expect(lines.filter((line) => line.length > WIDTH)).toEqual([]);
    const notes = lines.join(' ').replaceAll(/ +/g, ' ');
    expect(notes).toContain('arms are compared within each');
    expect(notes).toContain('under version 4 an arm has fewer than two units');
    expect(notes).toContain('another run of this name before, an experiment, which is not in this report');
    expect(notes).toContain('look at it with --policy-version 1 2.');
    expect(notes).toMatch(
      /crossed over \(\d+ of a, \d+ of b\).*; warning: they are 3.1 % of all, and one arm has/,
    );
    expect(reportHtml(report)).toContain('so effects are diluted');
    const sentences = reportText(sound);
    expect(sentences).not.toContain('within each');
    expect(sentences).not.toContain('diluted');
  });

  it('keeps its columns where names are long', () => {
    const arms = sound.arms.map((arm) => ({
      ...arm,
      variant: `gradient-boosting-of-${arm.variant}-with-features`,
    }));
    const lines = reportText({ ...sound, arms }).split('\n');
    expect(lines.filter((line) => line.length > WIDTH)).toEqual([]);
  });
});

describe('the page', () => {
  it('needs nothing but itself', () => {
    for (const report of [sound, broken]) {
      const html = reportHtml(report);
      expect(html).not.toMatch(/<script|<link|<img|@import|url\(|https?:|src=/i);
      expect(html).toMatch(/^<!doctype html>\n<html lang="en">[^]*<\/html>\n$/);
      expect(html).not.toMatch(/NaN|undefined|Infinity|\[object/);
      const opened = [...html.matchAll(/<(section|table|figure|svg|details|dl|ul|div)\b/g)].length;
      const closed = [...html.matchAll(/<\/(section|table|figure|svg|details|dl|ul|div)>/g)].length;
      expect(opened).toBe(closed);
    }
  });

  it('has every number of the tables, a chart of each kind, and a sentence for each column', () => {
    const html = reportHtml(sound);
    const cells = [...reportText(sound).matchAll(/(?<= {2})[+-]?\d[\d,]*\.\d+(?= {2}|\n)/g)].map(
      ([cell]) => cell,
    );
    expect(cells.length).toBeGreaterThan(12);
    expect(cells.filter((cell) => !html.includes(`<td>${cell}</td>`))).toEqual([]);
    for (const metric of ['conversion', 'revenue', 'error']) {
      expect(html).toContain(`<figcaption>${metric}: what the arms are worth</figcaption>`);
      expect(html).toContain(`<figcaption>${metric}: the difference, always valid</figcaption>`);
    }
    expect(html).toContain('<figcaption>Units over time</figcaption>');
    expect(html).toContain('<span class="badge good">split as asked for</span>');
    for (const heading of html.matchAll(/<th>([^<]+)<\/th>/g)) {
      const label = heading[1] ?? '';
      if (/^arm$|^against/.test(label)) continue;
      expect(html).toContain(`<dt>${label.replace(/^\d+(\.\d)? % /, '… % ')}</dt><dd>`);
    }
  });

  it('shows a split that is wrong', () => {
    const html = reportHtml(broken);
    expect(html).toContain('<span class="badge bad">sample ratio mismatch</span>');
    expect(html).toContain('<h3>Look for</h3>');
    expect(html).not.toContain('>better<');
  });

  it('escapes names', () => {
    expect(reportHtml({ ...sound, name: '<b>"x"</b>' })).toContain('&lt;b&gt;&quot;x&quot;&lt;/b&gt;');
  });
});

describe('the JSON', () => {
  it('has the numbers of the report by name', () => {
    const json = JSON.parse(jsonText(reportJson(sound))) as Record<string, unknown>;
    expect(Object.keys(json).join(' ')).toBe(
      'kind name endpoint alpha from to with_bots versions older_runs is_stratified first_exposure last_exposure units crossings arms holdout ' +
        'sample_ratio outcomes events metrics_without_events metrics other_experiments units_over_time',
    );
    const [conversion] = sound.metrics;
    const [contrast] = conversion?.contrasts ?? [];
    expect(json['metrics']).toMatchObject([
      {
        name: 'conversion',
        form: 'proportion',
        arms: [
          { variant: 'a', units: conversion?.arms[0]?.units, value: conversion?.arms[0]?.mean },
          { variant: 'b', chance_best: conversion?.arms[1]?.chanceBest },
        ],
        comparisons: [
          {
            variant: 'b',
            against: 'a',
            conclusion: 'better',
            difference: contrast?.difference,
            one_look: { p: contrast?.fixed.p },
            always_valid: {
              lower: contrast?.alwaysValid.lower,
              corrected_p: contrast?.alwaysValid.correctedP,
            },
          },
        ],
      },
      { name: 'revenue', form: 'adjusted', variance_reduction: expect.any(Number) },
      { name: 'error', goal: 'decrease', variance_reduction: null },
    ]);
    expect(json).toMatchObject({ from: null, to: null, first_exposure: '2026-03-09T00:00:00.000Z' });
    expect(JSON.parse(jsonText(reportJson(broken)))).toMatchObject({
      sample_ratio: { is_mismatch: true },
      metrics: [
        { arms: [{ chance_best: null }, { chance_best: null }], comparisons: [{ conclusion: 'blocked' }] },
        {},
        {},
      ],
    });
  });
});
