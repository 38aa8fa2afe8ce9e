import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkRedis } from '../../../src/redis/check-redis.ts';
import { openRedis } from '../../../src/features/redis/open-redis.ts';
import type { RedisLayout } from '../../../src/features/redis/redis-options.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import type { Log } from '../../../src/telemetry/log.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import { entityOf, projectOf, viewOf } from '../sample-project.ts';
import { startCluster, startRedis } from '../../redis/redis-server.ts';
import type { RedisCluster, RedisServer } from '../../redis/redis-server.ts';

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
async function warningsOf(url: string, layout: RedisLayout = 'millrace'): Promise<string[]> {
  const warnings: string[] = [];
  const log: Log = {
    ...createLog('silent'),
    child: () => log,
    warn: (_fields: object, message: string) => warnings.push(message),
    info: () => undefined,
  } as unknown as Log;
  const store = await openRedis(project, { url, layout }, createMetrics(), log);
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

  /** The address for a user with these rights. */
  async function addressOf(user: string, ...rights: readonly string[]): Promise<string> {
    await server.command('ACL', 'SETUSER', user, 'reset', 'on', '>p', ...rights);
    return `redis://${user}:p@127.0.0.1:${server.port}`;
  }

  const rightsOfReader = ['&*', '+@connection', '+@read', '+subscribe', '+info', '+time'];

  it.each<RedisLayout>(['millrace', 'feast'])(
    'asks for nothing more than the rights that it names, in the layout of %s',
    async (layout) => {
      const pattern = layout === 'feast' ? '~*' : '~mr:*';
      const url = await addressOf('blind', pattern, ...rightsOfReader);
      const [warning = ''] = await warningsOf(url, layout);
      const rights = / ACL SETUSER blind (.*)$/.exec(warning)?.[1]?.split(' ') ?? [];
      expect(rights).toContain(pattern);
      expect(await warningsOf(await addressOf('able', ...rights), layout)).toEqual([]);
    },
  );

  it.each<[RedisLayout, string, readonly string[]]>([
    ['feast', 'whose keys end where those of Millrace do', ['~mr:*', '+@all']],
    ['millrace', 'who may read none of the rows', ['~other:*', '+@all']],
    ['millrace', 'who may not read hashes', ['~mr:*', '+@all', '-hmget']],
  ])('is refused in the layout of %s to a user %s', async (layout, _, rights) => {
    const url = await addressOf('narrow', '&*', ...rights);
    await expect(warningsOf(url, layout)).rejects.toThrow(/NOPERM.* Type: ACL SETUSER narrow ~/);
  });

  it.each([
    ['may run no scripts', ['~mr:*', '+@all', '-eval']],
    ['may run scripts, but not store', ['~mr:*', '+@all', '-hset']],
    ['may only read the keys', ['%R~mr:*', '+@all']],
  ])('is warned of when its user %s, and nothing is written by finding out', async (_, rights) => {
    await server.command('FLUSHALL');
    const url = await addressOf('reader', '&*', ...rights);
    expect(await warningsOf(url)).toEqual([
      expect.stringMatching(/^Pushes will fail\. .*NOPERM.* Type: ACL SETUSER reader ~mr:\* /),
    ]);
    expect(await server.command('KEYS', 'mr:sample/*')).toEqual([]);
  });

  it('asks for nothing more than the rights that it names in a cluster, either', async () => {
    const urlFor = async (user: string, ...rights: readonly string[]): Promise<string> => {
      for (const node of cluster.nodes)
        await node.command('ACL', 'SETUSER', user, 'reset', 'on', '>p', ...rights);
      return cluster.url.replace('://', `://${user}:p@`);
    };
    const reader = await urlFor('blind', '~mr:*', ...rightsOfReader, '+cluster');
    const warning = (await warningsOf(reader)).find((text) => text.startsWith('Pushes')) ?? '';
    const rights = / ACL SETUSER blind (.*)$/.exec(warning)?.[1]?.split(' ') ?? [];
    const able = await warningsOf(await urlFor('able', ...rights));
    expect(able).toEqual([expect.stringContaining('Set appendonly yes')]);
  });

  it('is refused in a cluster, too, to a user who may not be told of changes', async () => {
    const rights = ['on', '>p', '~mr:*', '&*', '+@all', '-client|tracking'];
    await Promise.all(cluster.nodes.map(async (node) => node.command('ACL', 'SETUSER', 'deaf', ...rights)));
    const url = cluster.url.replace('://', '://deaf:p@');
    await expect(warningsOf(url)).rejects.toThrow('ACL SETUSER deaf ~mr:* &__redis__:invalidate');
  });

  it('is warned of in a cluster, too, when its user may not store', async () => {
    const rights = ['on', '>p', '~mr:*', '&*', '+@all', '-hset'];
    await Promise.all(cluster.nodes.map(async (node) => node.command('ACL', 'SETUSER', 'reader', ...rights)));
    const warnings = await warningsOf(cluster.url.replace('://', '://reader:p@'));
    expect(warnings.filter((warning) => warning.startsWith('Pushes will fail.'))).toHaveLength(1);
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
