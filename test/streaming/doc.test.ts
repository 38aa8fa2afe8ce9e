/** docs/streaming.md is run as it stands there: its project is served, its events come in, and its questions are asked. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openLmdbStore } from '../../src/features/lmdb-store.ts';
import type { Row } from '../../src/features/online-store.ts';
import { openLmdbEnvironment } from '../../src/lmdb/lmdb-environment.ts';
import type { LmdbEnvironment } from '../../src/lmdb/lmdb-environment.ts';
import { aggregateNames } from '../../src/project/project.ts';
import type { FeatureView, Project } from '../../src/project/project.ts';
import type { Value } from '../../src/project/value.ts';
import { openEventStreaming } from '../../src/streaming/event-streaming.ts';
import type { EventStreaming } from '../../src/streaming/event-streaming.ts';
import { openLmdbEvents } from '../../src/streaming/open-lmdb-events.ts';
import { tileMsOf } from '../../src/streaming/tile.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { readFiles } from '../project/project-folder.ts';
import { durationMs } from './sample-view.ts';

const page = await readFile(new URL('../../docs/streaming.md', import.meta.url), 'utf8');
/** In the order of the page. */
const blocks = [...page.matchAll(/^```(\w+)\n(.*?)^```/gms)].map(([, language = '', text = '']) => ({
  language,
  text,
}));

let dir: string;
let environment: LmdbEnvironment;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-doc-'));
  environment = await openLmdbEnvironment({ path: dir });
});
afterAll(async () => {
  await environment.close();
  await rm(dir, { recursive: true });
});

async function serve(project: Project, clock: { nowMs: () => number }): Promise<EventStreaming> {
  const store = await openLmdbStore({ environment, views: [] });
  const parts = { project, metrics: createMetrics(), clock, logger: createLog('silent') };
  return openEventStreaming(await openLmdbEvents(environment, parts), { ...parts, store });
}

function headOf(row: Row | null): string {
  if (row === null) return 'not found';
  return `event time ${new Date(row[0]).toISOString().replace('.000', '')}`;
}

function linesOf(row: Row | null, { features }: FeatureView): string[] {
  if (row === null) return [];
  const shown = (value: Value | undefined): string => (value === null ? 'missing' : JSON.stringify(value));
  return features.map(({ name }, i) => `${name} = ${shown(row[i + 1])}`);
}

/** What the row of JFK is, written as on the page. */
async function answerTo(question: string, streaming: EventStreaming, view: FeatureView): Promise<string> {
  const [, kind = '', asOf = ''] = /^(live|historical) as of ([^,]+),/.exec(question) ?? [];
  const [row = null] = await streaming.source.read(
    [{ view, key: 'JFK' }],
    Date.parse(asOf),
    kind === 'historical',
  );
  return [`${kind} as of ${asOf}, ${headOf(row)}`, ...linesOf(row, view), ''].join('\n');
}

describe('docs/streaming.md', () => {
  it('says what is read, before and after each event of the page', async () => {
    const [projectFile, ...steps] = blocks;
    expect(projectFile?.language).toBe('yaml');
    const { project, mistakes } = await readFiles({ 'millrace.yaml': projectFile?.text ?? '' });
    expect(mistakes).toEqual([]);
    const [view] = project.featureViews.values();
    let nowMs = 0;
    const streaming = await serve(project, { nowMs: () => nowMs });
    const statuses: string[] = [];
    const answers: string[] = [];
    for (const { language, text } of steps) {
      if (language === 'json') {
        const times = [...text.matchAll(/"time": "([^"]+)"/g)].map(([, time = '']) => Date.parse(time));
        nowMs = Math.max(nowMs, ...times);
        // One event may be written over several lines; several are one a line.
        const format = text.startsWith('{\n') ? 'json' : 'ndjson';
        const outcomes = await streaming.intake.take(Buffer.from(text), format);
        statuses.push(...outcomes.map(({ status }) => status));
        await streaming.settle();
      } else answers.push(await answerTo(text, streaming, view as FeatureView));
    }
    expect(statuses).toEqual(Array.from({ length: 7 }, () => 'accepted'));
    expect(answers).toEqual(steps.filter(({ language }) => language !== 'json').map(({ text }) => text));
    expect(answers.length).toBe(5);
    expect([await streaming.deadLetters.count(), await streaming.corrections.count()]).toEqual([0, 0]);
    await streaming.close();
  });

  it('has a row for every aggregate', () => {
    const table = page.slice(page.indexOf('## Aggregates'));
    for (const name of aggregateNames) expect(table, name).toMatch(new RegExp(`^\\|[^|]*\`${name}\``, 'm'));
  });

  it.each([
    ['59m', 'below 1h', '1m', '1 minute'],
    ['1h', '1h to 12h', '5m', '5 minutes'],
    ['12h', '12h to 12d', '1h', '1 hour'],
    ['12d', '12d or more', '1d', '1 day'],
  ])('has the tile of a window of %s', (window, windows, tile, tileText) => {
    expect(tileMsOf(durationMs(window))).toBe(durationMs(tile));
    expect(page).toMatch(new RegExp(`^\\| ${windows} +\\| ${tileText} +\\|$`, 'm'));
  });
});
