import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call } from '../../e2e/demo-server.ts';
import type { Reply } from '../../e2e/demo-server.ts';
import { routeTable } from '../route-table.ts';
import { exampleOf, operationsOf, startDocumentedServer } from './documented-server.ts';
import type { Document, DocumentedServer, Operation } from './documented-server.ts';

let documented: DocumentedServer;
let document: Document;
let operations: readonly Operation[];
let problemsOf: (path: readonly string[], value: unknown) => unknown;

beforeAll(async () => {
  documented = await startDocumentedServer();
  document = await documented.document();
  operations = operationsOf(document);
  problemsOf = createCheck(document);
});
afterAll(async () => documented.stop());

/** Finds the schema by its place in the document. */
function createCheck(root: Document): typeof problemsOf {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  addFormats.default(ajv);
  ajv.addSchema(root, 'document');
  return (path, value) => {
    const pointer = path.map((part) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1')));
    const validate = ajv.compile({ $ref: `document#/${pointer.join('/')}` });
    return validate(value) ? [] : validate.errors;
  };
}

function answerProblems(operation: Operation, reply: Reply): unknown {
  const { method, path, responses } = operation;
  const response = responses[String(reply.status)];
  if (response === undefined) return `${reply.status} is not described: ${reply.text}`;
  const type = String(reply.headers['content-type'] ?? '').split(';', 1)[0] ?? '';
  if (response.content === undefined) return reply.text === '' ? [] : 'has a body';
  if (response.content[type] === undefined) return `${type} is not described`;
  const value = type === 'application/json' ? reply.json : reply.text;
  return problemsOf(
    ['paths', path, method, 'responses', String(reply.status), 'content', type, 'schema'],
    value,
  );
}

function named(id: string): Operation {
  const operation = operations.find(({ operationId }) => operationId === id);
  if (operation === undefined) throw new Error(`there is no operation ${id}`);
  return operation;
}

describe('the document', () => {
  it('is valid OpenAPI 3.1', async () => {
    const result = await new Validator().validate(
      structuredClone(document) as unknown as Record<string, unknown>,
    );
    expect(result).toMatchObject({ valid: true });
    expect(document.openapi).toBe('3.1.0');
  });

  it('describes every route of the server, and no other', () => {
    const endpoints = [...documented.project.endpoints.keys()];
    const routes = routeTable(documented.project).flatMap(({ method, path }) => {
      const paths = path.endsWith('/:endpoint/predict')
        ? endpoints.map((name) => path.replace(':endpoint', name))
        : [path];
      return paths.map((each) => `${method} ${each.replaceAll(/:(\w+)/g, '{$1}')}`);
    });
    expect(operations.map(({ method, path }) => `${method} ${path}`).toSorted()).toEqual(routes.toSorted());
    const names = new Set(routeTable(documented.project).map(({ name }) => name));
    expect(operations.filter(({ summary }) => names.has(summary)).map(({ path }) => path)).toEqual([]);
  });

  it('names each operation once', () => {
    const ids = operations.map(({ operationId }) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('gives an example for every body and every parameter of a path', () => {
    const lacking = operations.filter(({ parameters = [], requestBody }) => {
      const bodies = Object.values(requestBody?.content ?? {});
      const paths = parameters.filter((parameter) => parameter.in === 'path');
      return [...bodies, ...paths].some(({ example }) => example === undefined);
    });
    expect(lacking.map(({ operationId }) => operationId)).toEqual([]);
  });

  it('has examples that fit what it says of bodies', () => {
    for (const { method, path, requestBody } of operations)
      for (const [type, { example }] of Object.entries(requestBody?.content ?? {}))
        expect(
          problemsOf(['paths', path, method, 'requestBody', 'content', type, 'schema'], example),
          `${method} ${path} ${type}`,
        ).toEqual([]);
  });

  it('tells the fields of an endpoint, and the limits', () => {
    const check = (body: unknown): unknown =>
      problemsOf(
        [
          'paths',
          '/v1/endpoints/flight-delay/predict',
          'post',
          'requestBody',
          'content',
          'application/json',
          'schema',
        ],
        body,
      );
    const { body } = exampleOf(named('post-v1-endpoints-flight-delay-predict'));
    const { rows } = JSON.parse(body ?? '') as { rows: [Record<string, unknown>] };
    const [{ origin, ...others }] = rows;
    expect(check({ context: { origin }, rows: [others] })).toEqual([]);
    expect(check({ rows: [others] })).not.toEqual([]);
    expect(check({ rows: [{ ...rows[0], distance: 'far' }] })).not.toEqual([]);
    expect(check({ rows: [{ ...rows[0], other: 1 }] })).not.toEqual([]);
    expect(check({ rows: Array(documented.project.limits.rowsMax + 1).fill(rows[0]) })).not.toEqual([]);
    expect(document.info.description).toContain(`a body: ${documented.project.limits.bodyBytesMax} bytes`);
  });

  it('is told again only where it has changed', async () => {
    const authorization = `Bearer ${documented.key}`;
    const first = await call(documented.server, '/openapi.json', { headers: { authorization } });
    const etag = String(first.headers['etag']);
    const ask = async (): Promise<Reply> =>
      call(documented.server, '/openapi.json', { headers: { authorization, 'if-none-match': etag } });
    expect(await ask()).toMatchObject({ status: 304, text: '' });
    expect((await documented.send(named('put-v1-endpoints-endpoint-rollout'))).status).toBe(200);
    expect((await ask()).status).toBe(200);
  });
});

describe('the answer to an example is what the document says', () => {
  /** These need a canary in a state of its own; see below. */
  const isAction = ({ path }: Operation): boolean => /\/rollout\/\w+$/.test(path) && !path.endsWith('/audit');
  /** The only model of the demo answers an endpoint. */
  const isRefused = ({ path }: Operation): boolean => path.endsWith('/unload');

  it('for every operation and content type', async () => {
    for (const operation of operations) {
      if (isAction(operation) || isRefused(operation)) continue;
      const types = Object.keys(operation.requestBody?.content ?? { '': {} });
      for (const type of types) {
        const fresh = operationsOf(await documented.document()).find(
          ({ operationId }) => operationId === operation.operationId,
        );
        const reply = await documented.send(fresh as Operation, type === '' ? undefined : type);
        expect(reply.status, `${operation.operationId}: ${reply.text}`).toBeLessThan(300);
        expect(answerProblems(operation, reply), operation.operationId).toEqual([]);
      }
    }
  });

  it('with a trace', async () => {
    const operation = named('post-v1-endpoints-flight-delay-predict');
    const { body } = exampleOf(operation);
    const traced = JSON.stringify({ ...(JSON.parse(body ?? '') as object), trace: true });
    const reply = await call(documented.server, operation.path, {
      headers: { authorization: `Bearer ${documented.key}` },
      body: traced,
    });
    expect(reply.json['trace']).toBeDefined();
    expect(answerProblems(operation, reply)).toEqual([]);
  });

  it('for a canary that is begun, paused, resumed, taken further, rolled back and promoted', async () => {
    for (const action of ['', 'pause', 'resume', 'step', 'rollback', '', 'promote']) {
      const id =
        action === '' ? 'put-v1-endpoints-endpoint-rollout' : `post-v1-endpoints-endpoint-rollout-${action}`;
      const fresh = operationsOf(await documented.document()).find(({ operationId }) => operationId === id);
      const reply = await documented.send(fresh as Operation);
      expect(reply.status, `${action}: ${reply.text}`).toBe(200);
      expect(answerProblems(fresh as Operation, reply), action).toEqual([]);
    }
  });

  it('for a model that cannot be unloaded', async () => {
    const operation = operations.find(isRefused) as Operation;
    const reply = await documented.send(operation);
    expect(reply.json['code']).toBe('MODEL_IN_USE');
    expect(answerProblems(operation, reply)).toEqual([]);
  });
});

describe('an error is what the document says', () => {
  const withSecurity = (): Operation[] => operations.filter(({ security }) => security.length > 0);

  it('of every operation, without a key', async () => {
    for (const operation of withSecurity()) {
      const { method, path, body, contentType } = exampleOf(operation);
      const headers: Record<string, string> =
        contentType === undefined ? {} : { 'content-type': contentType };
      const reply = await call(documented.server, path, {
        method,
        headers,
        ...(body === undefined ? {} : { body }),
      });
      expect(reply.status, operation.operationId).toBe(401);
      expect(answerProblems(operation, reply), operation.operationId).toEqual([]);
    }
  });

  it('of every operation that the scopes of a key do not allow', async () => {
    const headers = { authorization: `Bearer ${documented.readerKey}` };
    for (const operation of withSecurity()) {
      const isAllowed = operation.security.some((way) =>
        Object.values(way).some((scopes) => scopes.length === 0 || scopes.includes('metrics:read')),
      );
      if (isAllowed) continue;
      const { method, path } = exampleOf(operation);
      const reply = await call(documented.server, path, { method, headers });
      expect(reply.status, operation.operationId).toBe(403);
      expect(answerProblems(operation, reply), operation.operationId).toEqual([]);
    }
  });

  it.each([
    ['that is no JSON', '{', 400],
    ['that is empty', '', 400],
    ['with fields that are not known', '{"nothing": 1}', 400],
    ['of another type', undefined, 415],
  ])('of every operation with a body %s', async (_title, body, status) => {
    const authorization = `Bearer ${documented.key}`;
    for (const operation of operations) {
      if (operation.responses['415'] === undefined) continue;
      // Clients of the protocol send tensors under any type.
      if (status === 415 && operation.path.endsWith('/infer')) continue;
      const { method, path } = exampleOf(operation);
      const type = body === undefined ? 'text/plain' : 'application/json';
      const reply = await call(documented.server, path, {
        method,
        headers: { authorization, 'content-type': type },
        body: body ?? 'x',
      });
      expect(reply.status, `${operation.operationId} ${reply.text}`).toBe(status);
      expect(answerProblems(operation, reply), operation.operationId).toEqual([]);
    }
  });

  it('of every operation about something that is not there', async () => {
    for (const operation of operations.filter(({ path }) => path.includes('{'))) {
      const { method, body } = exampleOf(operation);
      const path = operation.path.replace('{version}', '999').replaceAll(/\{\w+\}/g, 'nothing');
      const reply = await call(documented.server, path, {
        method,
        headers: { authorization: `Bearer ${documented.key}` },
        ...(body === undefined ? {} : { body }),
      });
      expect(reply.status, operation.operationId).toBe(404);
      expect(answerProblems(operation, reply), operation.operationId).toEqual([]);
    }
  });
});
