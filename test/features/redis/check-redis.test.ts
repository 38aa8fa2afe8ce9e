import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkRedis } from '../../../src/features/redis/check-redis.ts';
import { openRedis } from '../../../src/features/redis/open-redis.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import type { Log } from '../../../src/telemetry/log.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import { entityOf, projectOf, viewOf } from '../sample-project.ts';
import { startCluster, startRedis } from './redis-server.ts';
import type { RedisCluster, RedisServer } from './redis-server.ts';

const project = projectOf([viewOf('v', entityOf('e', { id: 'string' }), { x: 'float64' })]);
const good = { info: 'redis_version:7.0.15\r\naof_enabled:1\r\n', clockAheadMs: 0, isClusterAddress: false };

let server: RedisServer;
let cluster: RedisCluster;
beforeAll(async () => {
  [server, cluster] = await Promise.all([startRedis(), startCluster()]);
}, 60_000);
afterAll(async () => {
  await Promise.all([server.stop(), cluster.stop()]);
});

/** Opens and closes a Redis; gives the warnings. */
async function warningsOf(url: string): Promise<string[]> {
  const warnings: string[] = [];
  const log = {
    ...createLog('silent'),
    warn: (_fields: object, message: string) => warnings.push(message),
    info: () => undefined,
  } as unknown as Log;
  const store = await openRedis(project, { url }, createMetrics(), log);
  await store.close();
  return warnings;
}

describe('a Redis that is opened', () => {
  it('is warned of where it may lose rows', async () => {
    expect(await warningsOf(server.url)).toEqual([expect.stringContaining('Set appendonly yes')]);
    await server.command('CONFIG', 'SET', 'appendonly', 'yes');
    expect(await warningsOf(server.url)).toEqual([]);
    await server.command('CONFIG', 'SET', 'maxmemory', '1gb');
    await server.command('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru');
    expect(await warningsOf(server.url)).toEqual([expect.stringContaining('maxmemory-policy allkeys-lru')]);
    await server.command('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
  });

  it('is refused if it is a node of a cluster and the address does not say so', async () => {
    const url = cluster.nodes[0]?.url as string;
    await expect(warningsOf(url)).rejects.toThrow('write redis+cluster://');
  });

  it('is refused if the password is missing or wrong, and the message does not hold it', async () => {
    await server.command('ACL', 'SETUSER', 'ranker', 'on', '>s3cret', '~mr:*', '&*', '+@all');
    const at = `127.0.0.1:${server.port}`;
    await expect(warningsOf(`redis://ranker:wrong@${at}`)).rejects.toThrow(
      `Redis at redis://${at}: it refuses the user or the password.`,
    );
    expect(await warningsOf(`redis://ranker:s3cret@${at}`)).toEqual([]);
  });

  it('is refused if the user may not do what is needed, with the command that gives the right', async () => {
    await server.command('ACL', 'SETUSER', 'blind', 'on', '>p', '~mr:*', '&*', '+@all', '-client');
    await expect(warningsOf(`redis://blind:p@127.0.0.1:${server.port}`)).rejects.toThrow(
      'ACL SETUSER blind ~mr:* &__redis__:invalidate +@connection +@read +@write +@scripting',
    );
  });

  it('is refused if nothing listens at its address', async () => {
    await expect(warningsOf('redis://127.0.0.1:1')).rejects.toThrow('nothing listens there');
  }, 10_000);
});

describe('the check', () => {
  it('refuses versions that tell nobody of changes', () => {
    expect(checkRedis(good)).toEqual([]);
    expect(() => checkRedis({ ...good, info: 'redis_version:5.0.7\r\n' })).toThrow('it is version 5.0.7');
  });

  it('warns of clocks that differ', () => {
    expect(checkRedis({ ...good, clockAheadMs: 1999 })).toEqual([]);
    expect(checkRedis({ ...good, clockAheadMs: 5000 })).toEqual([expect.stringContaining('5.0 s ahead of')]);
    expect(checkRedis({ ...good, clockAheadMs: -5000 })).toEqual([expect.stringContaining('5.0 s behind')]);
  });

  it('warns of a replica that takes no writes', () => {
    const info = `${good.info}role:slave\r\nslave_read_only:1\r\n`;
    expect(checkRedis({ ...good, info })).toEqual([expect.stringContaining('read-only replica')]);
  });
});
