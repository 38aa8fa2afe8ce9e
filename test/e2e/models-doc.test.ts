/** docs/models.md: its commands as a reader would type them, and its part of a project file. */
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parse } from 'yaml';
import { loadProject, readProject } from '../../src/project/read-project.ts';
import { createServer } from '../../src/server/server.ts';
import type { Server } from '../../src/server/server.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { demoDir } from './demo-server.ts';
import { followTour } from './tour.ts';

let dir: string;
let server: Server;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-models-doc-'));
  await writeFile(join(dir, 'millrace.yaml'), 'project: spare\n');
  await cp(join(demoDir, 'flight-delay/1/model.onnx'), join(dir, 'spare.onnx'));
  const options = { dataDir: join(dir, '.data'), port: 0, log: createLog('silent') };
  server = await createServer(await loadProject(dir), options);
});

afterAll(async () => {
  await server.close();
  await rm(dir, { recursive: true, force: true });
});

it('works as docs/models.md says', async () => {
  const outputs = await followTour('docs/models.md', [['localhost:8080', `localhost:${server.port}`]]);
  expect(outputs[0]).toContain('{"name":"spare","version":"1","state":"READY"');
  expect(outputs[0]?.trim().split('\n').slice(1)).toEqual(['{}', '{}']);
  expect(outputs[1]?.trim()).toBe('{}');
});

it('has a part of a project file that the reader takes', async () => {
  const text = await readFile(new URL('../../docs/models.md', import.meta.url), 'utf8');
  const part = /^```yaml part\n([^]*?)^```$/m.exec(text)?.[1] ?? '';
  const folder = join(dir, 'newest');
  await mkdir(folder);
  const demo = parse(await readFile(join(demoDir, 'millrace.yaml'), 'utf8')) as Demo;
  const { variants } = (parse(part) as Demo).endpoints['flight-delay'];
  const { rollout: _, ...endpoint } = demo.endpoints['flight-delay'];
  const project = { ...demo, endpoints: { 'flight-delay': { ...endpoint, variants } } };
  await writeFile(join(folder, 'millrace.json'), JSON.stringify(project));
  await cp(join(demoDir, 'flight-delay'), join(folder, 'flight-delay'), { recursive: true });
  const { project: read, mistakes } = await readProject(folder);
  expect(mistakes).toEqual([]);
  expect(read.endpoints.get('flight-delay')?.variants[0]?.model.version).toBe('3');
});

interface Demo {
  readonly endpoints: Readonly<
    Record<'flight-delay', { readonly variants: object; readonly rollout: object }>
  >;
}
