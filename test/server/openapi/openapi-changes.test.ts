import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Validator } from '@seriousme/openapi-schema-validator';
import { expect, it, onTestFinished } from 'vitest';
import { loadProject } from '../../../src/project/read-project.ts';
import { createServer } from '../../../src/server/server.ts';
import type { Server } from '../../../src/server/server.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { scratchFolder } from '../../access/scratch.ts';
import { call } from '../../e2e/demo-server.ts';
import { projectOfModel } from '../project-of-model.ts';
import { writeShopProject } from '../shop-project.ts';
import { exampleOf, operationsOf } from './documented-server.ts';
import type { Document, Operation } from './documented-server.ts';

const log = createLog('silent');

async function documentOf(server: Server): Promise<Document> {
  return (await call(server, '/openapi.json')).json as unknown as Document;
}

function named(document: Document, path: string): Operation {
  return operationsOf(document).find((operation) => operation.path === path) as Operation;
}

async function served(dir: string): Promise<Server> {
  const server = await createServer(await loadProject(dir), { dataDir: join(dir, 'data'), port: 0, log });
  onTestFinished(async () => void (await server.close()));
  return server;
}

async function isValid(document: Document): Promise<boolean> {
  const { valid } = await new Validator().validate(
    structuredClone(document) as unknown as Record<string, unknown>,
  );
  return valid;
}

it('is another one when the project is another one', async () => {
  const made = await projectOfModel({
    model: 'identity_float32',
    request: { a: 'float64', many: 'float32[3]', maybe: 'int64' },
    inputs: { x: ['request.a', 'u.facts.score ?? -1'] },
  });
  onTestFinished(async () => made.remove());
  const server = await served(made.dir);
  const before = await documentOf(server);
  expect(await documentOf(server)).toEqual(before);
  const file = join(made.dir, 'millrace.json');
  const project = JSON.parse(await readFile(file, 'utf8')) as object;
  await writeFile(file, JSON.stringify({ ...project, limits: { rows_max: 7 } }));
  expect((await call(server, '/v1/project/reload', { method: 'POST' })).status).toBe(200);
  const after = await documentOf(server);
  expect(JSON.stringify(before)).not.toContain('"maxItems":7');
  expect(JSON.stringify(after)).toContain('"maxItems":7');
  expect(after.info.description).toContain('- rows of a call: 7');
});

it('fits projects of other kinds, whose examples are right for them', async () => {
  const vectors = await projectOfModel({
    model: 'identity_float32',
    request: { a: 'float64', many: 'float32[3]', at: 'timestamp', yes: 'bool' },
    inputs: { x: ['request.a', 'u.facts.score ?? -1'] },
  });
  onTestFinished(async () => vectors.remove());
  const shop = await scratchFolder();
  await writeShopProject(shop);
  for (const dir of [vectors.dir, shop]) {
    const server = await served(dir);
    const document = await documentOf(server);
    expect(await isValid(document)).toBe(true);
    const { path, body = '' } = exampleOf(named(document, '/v1/endpoints/m/predict'));
    expect((await call(server, path, { body })).status).toBe(200);
  }
});

it('says where there is nothing that a call could take', async () => {
  const dir = await scratchFolder();
  await writeShopProject(dir);
  const { requestBody, description } = named(await documentOf(await served(dir)), '/push');
  expect(description).toContain('all are computed from events');
  expect(requestBody?.content['application/json']?.example).toBeUndefined();
});

it('says of an open server that everybody may do everything, and names scopes all the same', async () => {
  const dir = await scratchFolder();
  await writeShopProject(dir);
  const document = await documentOf(await served(dir));
  expect(document.info.description).toContain('everybody may do everything');
  const { security } = named(document, '/v1/events');
  expect(security).toEqual([{}, { bearer: ['events:write'] }, { apiKey: ['events:write'] }]);
});
