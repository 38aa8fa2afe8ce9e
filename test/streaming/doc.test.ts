/** The example of docs/streaming.md is run as it stands there. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { Row } from '../../src/features/online-store.ts';
import { aggregateNames } from '../../src/project/project.ts';
import type { Value } from '../../src/project/value.ts';
import { createEntityTiles } from '../../src/streaming/entity-tiles.ts';
import type { EntityTiles } from '../../src/streaming/entity-tiles.ts';
import { tileMsOf } from '../../src/streaming/tile.ts';
import { durationMs, eventOf, planOf, streamingView } from './sample-view.ts';
import type { FeatureGiven } from './sample-view.ts';

const page = readFileSync(new URL('../../docs/streaming.md', import.meta.url), 'utf8');

interface Example {
  readonly event_types: Readonly<Record<string, { readonly fields: Readonly<Record<string, string>> }>>;
  readonly feature_views: Readonly<
    Record<
      string,
      {
        readonly stream: { readonly event: string; readonly where: string };
        readonly features: Readonly<Record<string, Readonly<Record<string, string | number | boolean>>>>;
      }
    >
  >;
}

function blocks(language: string): string[] {
  return [...page.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(
    ([, text = '']) => text,
  );
}

/** Features by name, those of n and k one by one. */
function featuresOf(features: Example['feature_views'][string]['features']): Map<string, FeatureGiven> {
  const given = new Map<string, FeatureGiven>();
  for (const [featureName, spec] of Object.entries(features)) {
    const name = aggregateNames.find((each) => each in spec);
    if (name === undefined) throw new Error(`${featureName} has no aggregate`);
    const count = Number(spec['n'] ?? spec['k'] ?? 1);
    const field = spec[name] === true ? {} : { field: String(spec[name]) };
    const where = spec['where'] === undefined ? {} : { where: String(spec['where']) };
    for (let rank = 1; rank <= count; rank++) {
      const one = { name, windowMs: durationMs(String(spec['window'])), count, rank, ...field, ...where };
      given.set(count === 1 ? featureName : `${featureName}_${rank}`, one);
    }
  }
  return given;
}

function runExample(): { tiles: EntityTiles; names: readonly string[] } {
  const example = parse(blocks('yaml')[0] ?? '') as Example;
  const [view] = Object.values(example.feature_views);
  if (view === undefined) throw new Error('the page has no view');
  const event = eventOf(example.event_types[view.stream.event]?.fields ?? {});
  const features = featuresOf(view.features);
  const tiles = createEntityTiles(planOf(streamingView(event, [...features.values()], view.stream.where)));
  const lines = (blocks('json')[0] ?? '').trim().split('\n');
  lines.forEach((line, offset) => {
    const { time, ...fields } = JSON.parse(line) as Record<string, Value>;
    tiles.apply(
      event.fields.map(({ name }) => fields[name] ?? null),
      Date.parse(String(time)),
      offset,
    );
  });
  return { tiles, names: [...features.keys()] };
}

function headOf(row: Row | null): string {
  if (row === null) return 'not found';
  return `event time ${new Date(row[0]).toISOString().replace('.000', '')}`;
}

function linesOf(row: Row | null, names: readonly string[]): string[] {
  if (row === null) return [];
  const shown = (value: Value | undefined): string => (value === null ? 'missing' : JSON.stringify(value));
  return names.map((name, i) => `${name} = ${shown(row[i + 1])}`);
}

const reads = blocks('text');

describe('docs/streaming.md', () => {
  it('shows a live row, a historical one, an old one, and none', () => {
    expect(reads).toHaveLength(4);
  });

  it.each(reads)('says what is read: %s', (text) => {
    const [, kind = '', asOf = ''] = /^(live|historical) as of ([^,]+),/.exec(text) ?? [];
    const { tiles, names } = runExample();
    const row = tiles.read(Date.parse(asOf), kind === 'historical');
    expect(text.trim()).toBe([`${kind} as of ${asOf}, ${headOf(row)}`, ...linesOf(row, names)].join('\n'));
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
