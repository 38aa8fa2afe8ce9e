/** Servers of the small project, for the tests of one file; each is closed after its test. */
import { join } from 'node:path';
import { afterEach } from 'vitest';
import { createServer } from '../../src/server/server.ts';
import type { Server } from '../../src/server/server.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { projectOfModel } from './project-of-model.ts';
import type { ModelProjectOptions } from './project-of-model.ts';

type ServerOf = (options?: Partial<ModelProjectOptions>) => Promise<Server>;

/** @param defaults unless a test says otherwise */
export function modelServers(defaults: ModelProjectOptions): ServerOf {
  const cleanups: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
  });
  return async (options) => {
    const made = await projectOfModel({ ...defaults, ...options });
    const server = await createServer(made.project, {
      dataDir: join(made.dir, 'data'),
      port: 0,
      log: createLog('silent'),
    });
    cleanups.push(
      () => made.remove(),
      () => server.close(),
    );
    return server;
  };
}
