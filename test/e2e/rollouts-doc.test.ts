/** docs/rollouts.md: its commands as a reader would type them, and its parts of a project file. */
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { readProject } from '../../src/project/read-project.ts';
import { createServer } from '../../src/server/server.ts';
import type { Server } from '../../src/server/server.ts';
import { loadProject } from '../../src/project/read-project.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { demoDir } from './demo-server.ts';
import { followTour } from './tour.ts';

const text = await readFile(new URL('../../docs/rollouts.md', import.meta.url), 'utf8');
const parts = [...text.matchAll(/^```yaml\n([^]*?)^```$/gm)].map(([, part = '']) => part);

let dir: string;
let server: Server;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-rollouts-doc-'));
  const options = { dataDir: join(dir, 'data'), port: 0, log: createLog('silent') };
  server = await createServer(await loadProject(demoDir), options);
});

afterAll(async () => {
  await server.close();
  await rm(dir, { recursive: true, force: true });
});

it('works as docs/rollouts.md says', async () => {
  const port = String(server.port);
  const [first, set, put, back] = (await followTour('docs/rollouts.md', [
    ['npx millrace rollout', `MILLRACE_URL=http://localhost:${port} npx millrace rollout`],
    ['localhost:8080', `localhost:${port}`],
  ])) as [string, string, string, string];
  expect(first).toMatch(
    /^endpoint +version +policy +phase +traffic +shadows\nflight-delay +1 +experiment +running/,
  );
  expect(first).toContain('shadows random-trees: nothing to compare yet');
  expect(set).toContain('"shares_percent":{"logistic":100}');
  expect(put).toContain('"version":3');
  expect(back).toContain('rolled back');
  expect(back).toMatch(/4 +\S+ +rollback [^]*too early[^]*3 +\S+ +put +anna [^]*half of them/);
}, 60_000);

describe('has a part of a project file that the reader takes', () => {
  it.each(parts)('%s', async (part) => {
    const folder = await mkdtemp(join(dir, 'project-'));
    const base = parse(await readFile(join(demoDir, 'millrace.yaml'), 'utf8')) as Demo;
    const own = parse(part) as Partial<Demo>;
    const endpoint = base.endpoints['flight-delay'];
    const changed =
      own.endpoints === undefined
        ? {
            ...endpoint,
            rollout: { ...own, ...(JSON.stringify(own).includes('"candidate"') && { serve: 'gbm' }) },
          }
        : { ...endpoint, ...own.endpoints['flight-delay'] };
    const project = { ...base, endpoints: { 'flight-delay': changed } };
    await writeFile(join(folder, 'millrace.json'), JSON.stringify(project));
    await symlink(join(demoDir, 'flight-delay'), join(folder, 'flight-delay'));
    expect((await readProject(folder)).mistakes).toEqual([]);
  });
});

interface Demo {
  readonly endpoints: Readonly<Record<'flight-delay', object>>;
}
