/**
 * The project with events as a server that wants keys, for tests of who may do what. It has, besides: a view `profile` that is
 * pushed, with the protected feature `age`, which the model reads; a second variant; and a log of predictions with features.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { changeKeyFile } from '../../src/access/key-file.ts';
import type { KeyRecord } from '../../src/access/key-records.ts';
import { openAccess } from '../../src/access/open-access.ts';
import type { AccessOptions, OpenAccess } from '../../src/access/open-access.ts';
import { scopes } from '../../src/access/scope.ts';
import { loadProject } from '../../src/project/read-project.ts';
import { createServer } from '../../src/server/server.ts';
import type { Server } from '../../src/server/server.ts';
import { madeKey } from '../access/scratch.ts';
import type { ReadableLog } from '../access/scratch.ts';
import { readableLog } from '../access/scratch.ts';
import { writeShopProject } from './shop-project.ts';

export interface KeyedShop {
  readonly server: Server;
  readonly access: OpenAccess;
  readonly dir: string;
  readonly dataDir: string;
  readonly keysFile: string;
  readonly log: ReadableLog;
  /** A key that the server takes from now on. */
  key(parts?: Partial<KeyRecord>): Promise<string>;
  revoke(name: string): Promise<void>;
  /** Of the audit log, without their times. */
  audited(): Promise<Record<string, unknown>[]>;
  stop(): Promise<void>;
}

const sections = {
  feature_views: {
    activity: {
      entity: 'user',
      stream: { event: 'purchase', keys: { user_id: 'user_id' } },
      features: { purchases_1h: { count: true, window: '1h' } },
    },
    profile: {
      entity: 'user',
      features: { age: { type: 'float64', protected: true }, city: 'string' },
    },
  },
  endpoints: {
    m: {
      request: { user_id: 'int64', a: 'float64' },
      variants: { one: { model: 'm@1' }, two: { model: 'm@1' } },
      rollout: { serve: 'one' },
      log: { sample: 1, features_sample: 1 },
    },
  },
};

const model = {
  entities: { u: { entity: 'user', keys: { user_id: 'request.user_id' } } },
  inputs: { x: ['request.a', 'u.profile.age ?? 0'] },
};

/** @param jwt whose tokens are taken besides */
export async function startKeyedShop(jwt?: AccessOptions['jwt']): Promise<KeyedShop> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-keyed-'));
  await writeShopProject(dir, sections);
  await writeFile(join(dir, 'm', 'model.json'), JSON.stringify(model));
  const [dataDir, keysFile] = [join(dir, 'data'), join(dir, 'keys.json')];
  const write = async (change: (records: readonly KeyRecord[]) => readonly KeyRecord[]): Promise<void> =>
    changeKeyFile(keysFile, (records) => ({ records: change(records), result: undefined }));
  await write(() => []);
  const log = readableLog();
  const access = await openAccess({ keys: { file: keysFile, isOptional: false }, jwt, log: log.log });
  const server = await createServer(await loadProject(dir), { dataDir, port: 0, access, log: log.log });
  return {
    server,
    access,
    dir,
    dataDir,
    keysFile,
    log,
    async key(parts = { scopes }) {
      const { text, record } = madeKey(parts);
      await write((records) => [...records, record]);
      await access.reload();
      return text;
    },
    async revoke(name) {
      await write((records) => records.filter((record) => record.name !== name));
      await access.reload();
    },
    async audited() {
      const text = await readFile(join(dataDir, 'audit.ndjson'), 'utf8').catch(() => '');
      const lines = text.split('\n').filter((line) => line !== '');
      return lines.map((line) => {
        const { time: _time, request_id: _id, ...rest } = JSON.parse(line) as Record<string, unknown>;
        return rest;
      });
    },
    async stop() {
      await server.close();
      access.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

export function bearer(key: string): Record<string, string> {
  return { authorization: `Bearer ${key}` };
}
