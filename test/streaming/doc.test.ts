/** The example of docs/streaming.md is run as it stands there. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Row } from '../../src/features/online-store.ts';
import { aggregateNames } from '../../src/project/project.ts';
import type { FeatureView } from '../../src/project/project.ts';
import { loadProject } from '../../src/project/read-project.ts';
import type { Value } from '../../src/project/value.ts';
import { createEntityTiles } from '../../src/streaming/entity-tiles.ts';
import type { EntityTiles } from '../../src/streaming/entity-tiles.ts';
import { tileMsOf } from '../../src/streaming/tile.ts';
import { durationMs, planOf } from './sample-view.ts';

const page = readFileSync(new URL('../../docs/streaming.md', import.meta.url), 'utf8');
const dir = mkdtempSync(join(tmpdir(), 'millrace-doc-'));
afterAll(() => rmSync(dir, { recursive: true }));

/** Of the example, which is the rest of a project file. */
let view: FeatureView;
beforeAll(async () => {
  writeFileSync(join(dir, 'millrace.yaml'), `project: example\n${blocks('yaml')[0]}`);
  const { featureViews } = await loadProject(dir);
  view = featureViews.get('airport_now') as FeatureView;
});

function blocks(language: string): string[] {
  return [...page.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(
    ([, text = '']) => text,
  );
}

function tilesOf(): EntityTiles {
  const tiles = createEntityTiles(planOf(view));
  const lines = (blocks('json')[0] ?? '').trim().split('\n');
  lines.forEach((line, offset) => {
    const { time, ...fields } = JSON.parse(line) as Record<string, Value>;
    const values = view.stream?.event.fields.map(({ name }) => fields[name] ?? null) ?? [];
    tiles.apply(values, Date.parse(String(time)), offset);
  });
  return tiles;
}

function headOf(row: Row | null): string {
  if (row === null) return 'not found';
  return `event time ${new Date(row[0]).toISOString().replace('.000', '')}`;
}

function linesOf(row: Row | null): string[] {
  if (row === null) return [];
  const shown = (value: Value | undefined): string => (value === null ? 'missing' : JSON.stringify(value));
  return view.features.map(({ name }, i) => `${name} = ${shown(row[i + 1])}`);
}

const reads = blocks('text');

describe('docs/streaming.md', () => {
  it('shows a live row, a historical one, an old one, and none', () => {
    expect(reads).toHaveLength(4);
  });

  it.each(reads)('says what is read: %s', (text) => {
    const [, kind = '', asOf = ''] = /^(live|historical) as of ([^,]+),/.exec(text) ?? [];
    const row = tilesOf().read(Date.parse(asOf), kind === 'historical');
    expect(text.trim()).toBe([`${kind} as of ${asOf}, ${headOf(row)}`, ...linesOf(row)].join('\n'));
  });

  it('has a row for every aggregate', () => {
    const table = page.slice(page.indexOf('## Aggregates'));
    for (const name of aggregateNames) expect(table, name).toMatch(new RegExp(`^\\|[^|]*\`${name}\``, 'm'));
  });

  it.each([
    ['59m', '1m'],
    ['1h', '5m'],
    ['12h', '1h'],
    ['12d', '1d'],
  ])('has the tile of a window of %s', (window, tile) => {
    expect(tileMsOf(durationMs(window))).toBe(durationMs(tile));
  });
});
