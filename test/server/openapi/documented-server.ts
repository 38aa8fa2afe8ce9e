/** The whole demo project, served to those who have a key, with what its document says. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { changeKeyFile } from '../../../src/access/key-file.ts';
import { openAccess } from '../../../src/access/open-access.ts';
import { scopes } from '../../../src/access/scope.ts';
import type { Project } from '../../../src/project/project.ts';
import { loadProject } from '../../../src/project/read-project.ts';
import { createServer } from '../../../src/server/server.ts';
import type { Server } from '../../../src/server/server.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { madeKey } from '../../access/scratch.ts';
import { call, demoDir } from '../../e2e/demo-server.ts';
import type { Reply } from '../../e2e/demo-server.ts';

export interface Media {
  readonly schema: object;
  readonly example?: unknown;
}

export interface Operation {
  readonly method: string;
  readonly path: string;
  readonly operationId: string;
  readonly summary: string;
  readonly description: string;
  readonly tags: readonly string[];
  readonly security: readonly Record<string, readonly string[]>[];
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: string;
    readonly example?: string | number;
  }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, Media>> };
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, Media>> }>>;
}

export interface Document {
  readonly openapi: string;
  readonly info: { readonly description: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Omit<Operation, 'method' | 'path'>>>>>;
}

export interface DocumentedServer {
  readonly server: Server;
  readonly project: Project;
  /** With every scope. */
  readonly key: string;
  /** Without any but `metrics:read`. */
  readonly readerKey: string;
  document(): Promise<Document>;
  /** Sends the example of an operation. */
  send(operation: Operation, type?: string): Promise<Reply>;
  stop(): Promise<void>;
}

export async function startDocumentedServer(): Promise<DocumentedServer> {
  const dataDir = await mkdtemp(join(tmpdir(), 'millrace-openapi-'));
  const file = join(dataDir, 'keys.json');
  const [all, reader] = [madeKey({ scopes }), madeKey({ scopes: ['metrics:read'] })];
  await changeKeyFile(file, () => ({ records: [all.record, reader.record], result: undefined }));
  const log = createLog('silent');
  const access = await openAccess({ keys: { file, isOptional: false }, log });
  const project = await loadProject(demoDir);
  const server = await createServer(project, { dataDir, port: 0, log, access });
  const authorization = `Bearer ${all.text}`;
  return {
    server,
    project,
    key: all.text,
    readerKey: reader.text,
    document: async () =>
      (await call(server, '/openapi.json', { headers: { authorization } })).json as unknown as Document,
    send: async (operation, type) => {
      const { method, path, body, contentType } = exampleOf(operation, type);
      const headers = {
        authorization,
        ...(contentType === undefined ? {} : { 'content-type': contentType }),
      };
      return call(server, path, { method, headers, ...(body === undefined ? {} : { body }) });
    },
    async stop() {
      await server.close();
      access.close();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

export function operationsOf({ paths }: Document): Operation[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ ...operation, method, path })),
  );
}

interface Example {
  readonly method: string;
  readonly path: string;
  readonly contentType: string | undefined;
  readonly body: string | undefined;
}

export function exampleOf({ method, path, parameters = [], requestBody }: Operation, type?: string): Example {
  const query = new URLSearchParams();
  let address = path;
  for (const { name, in: place, example } of parameters) {
    if (example === undefined) continue;
    if (place === 'path') address = address.replace(`{${name}}`, encodeURIComponent(String(example)));
    if (place === 'query') query.set(name, String(example));
  }
  const contentType = requestBody && (type ?? Object.keys(requestBody.content)[0] ?? '');
  const example = requestBody?.content[contentType ?? '']?.example;
  const body = example === undefined || typeof example === 'string' ? example : JSON.stringify(example);
  const search = query.toString();
  return {
    method: method.toUpperCase(),
    path: search === '' ? address : `${address}?${search}`,
    contentType,
    body,
  };
}
