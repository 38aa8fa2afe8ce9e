/** docs/events.md, command by command, and its pieces of a project file through the reader. */
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { readProject } from '../../src/project/read-project.ts';
import { demoDir } from './demo-server.ts';
import { followTour, freePort } from './tour.ts';

const page = await readFile(new URL('../../docs/events.md', import.meta.url), 'utf8');
const fences = [...page.matchAll(/^```(.+)\n([^]*?)^```$/gm)].map(([, head = '', text = '']) => ({
  head,
  text,
}));

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-events-doc-'));
});
afterAll(async () => rm(dir, { recursive: true, force: true }));

describe('docs/events.md', () => {
  it('is followed as it stands there', async () => {
    const [flights, demo] = [await freePort(), await freePort()];
    const printed = await followTour('docs/events.md', [
      ['8080', String(flights)],
      ['8081', String(demo)],
      ['--project flights', `--project ${join(dir, 'flights')}`],
      ['flights/millrace.yaml', join(dir, 'flights', 'millrace.yaml')],
      ['arrivals.ndjson', join(dir, 'arrivals.ndjson')],
      ['--project models', `--project models --data ${join(dir, 'demo')}`],
    ]);
    // The tour itself passes over numbers.
    expect(printed[2]).toBe('"values":["JFK"]\n"values":[2]\n"values":[21.25]\n');
    const shown = fences.filter(({ head }) => head === 'text tour').map(({ text }) => text);
    expect(shown).toContain(printed[2]);
    expect(printed.length).toBe(shown.length);
    const lists = printed.filter((text) => text.includes('  number  '));
    expect(lists.map((text) => text.trimEnd().split('\n').at(-1))).toEqual(['2 corrections']);
  }, 240_000);

  it('has no example that is not tried', () => {
    const tried = fences.filter(({ head }) => head.includes(' tour') || head === 'yaml');
    expect(fences.map(({ head }) => head)).toEqual(tried.map(({ head }) => head));
    expect(fences.length).toBeGreaterThan(15);
  });

  const parts = fences.filter(({ head }) => head === 'yaml').map(({ text }) => text);
  it.each(parts)('has a part of a project file that the reader takes: %s', async (text) => {
    const base = parse(await readFile(join(demoDir, 'millrace.yaml'), 'utf8')) as object;
    const folder = await mkdtemp(join(dir, 'project-'));
    await writeFile(join(folder, 'millrace.json'), JSON.stringify(merged(base, parse(text) as object)));
    await symlink(join(demoDir, 'flight-delay'), join(folder, 'flight-delay'));
    const { project, mistakes } = await readProject(folder);
    expect(mistakes).toEqual([]);
    expect(project.endpoints.get('flight-delay')?.log).toMatchObject({
      sample: 0.5,
      featuresSample: 0.1,
      hash: ['flight_id'],
      leaveOut: ['distance'],
    });
  });
});

/** The base, with what the part says in the places that it names. */
function merged(base: object, part: object): object {
  const fields: Record<string, unknown> = { ...base };
  for (const [name, value] of Object.entries(part)) {
    const known = fields[name];
    fields[name] = isObject(known) && isObject(value) ? merged(known, value) : (value as unknown);
  }
  return fields;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
