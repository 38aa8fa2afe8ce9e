/** The event log in Redis where servers differ, and where Redis is emptied, full, or hangs. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startRedis } from '../redis/redis-server.ts';
import type { RedisServer } from '../redis/redis-server.ts';
import type { RedisEventLog } from '../../src/events/redis-event-log.ts';
import {
  ALL,
  EVERYTHING_IS_DUE,
  all,
  append,
  idsFrom,
  openLogAt,
  readIds,
  redisLogs,
  to,
} from './redis-log-place.ts';
import { clickEvent, eventOf, eventTypeOf } from './sample-events.ts';

let server: RedisServer;
const logs = redisLogs(() => server.url);
const { open, openNew } = logs;
beforeAll(async () => {
  server = await startRedis();
});
afterEach(async () => logs.closeAll());
afterAll(async () => server.stop());

describe('schemas', () => {
  const wider = eventTypeOf('click', { page: 'string', 'taste?': 'float32[2]', 'depth?': 'float64' });

  it('that another server adds are known to one that runs already, and to one that starts later', async () => {
    const log = await openNew();
    await append(log, 'a');
    const newer = await open({ types: new Map([['click', wider]]) });
    await newer.append([{ event: eventOf(wider, 'b', ['home', null, 7]), partitions: [0] }]);
    await append(log, 'c');
    const values = async (of: RedisEventLog): Promise<unknown> =>
      (await of.read(0, 0, ALL)).records.map(({ event }) => event?.values);
    expect(await values(log)).toEqual(all('', 3).map(() => ['home', null]));
    expect(await values(newer)).toEqual([
      ['home', null, null],
      ['home', null, 7],
      ['home', null, null],
    ]);
    const listed = await server.command('HGET', `mr:${logs.project}:event_schemas`, 'click');
    expect(JSON.parse(String(listed))).toHaveLength(2);
  });

  it('that are lost leave records that say so, and are listed again by whoever has them', async () => {
    const newer = await openNew({ types: new Map([['click', wider]]) });
    await newer.append([{ event: eventOf(wider, 'b', ['home', null, 7]), partitions: [0] }]);
    await server.command('DEL', `mr:${logs.project}:event_schemas`);
    const log = await open();
    expect((await log.read(0, 0, ALL)).records).toMatchObject([
      { event: undefined, problem: expect.stringMatching(/^schema \d+ of the event click is missing$/) },
    ]);
    await newer.trim({ appendedBeforeMs: 0, bytesMax: 1e9 });
    expect((await log.read(0, 0, ALL)).records).toMatchObject([{ event: { id: 'b' } }]);
  });

  it('that may not be listed keep events out that nobody else could read', async () => {
    const log = await openNew();
    await append(log, 'a');
    const user = ['on', '>p', '~mr:*', '&*', '+@all', '-hset'];
    await server.command('ACL', 'SETUSER', 'narrow', 'reset', ...user);
    const url = server.url.replace('://', '://narrow:p@');
    const narrow = await openLogAt(url, logs.project, { types: new Map([['click', wider]]) });
    expect(await readIds(narrow)).toEqual(['a']);
    const event = eventOf(wider, 'b', ['home', null, 7]);
    await expect(narrow.append([{ event, partitions: [0] }])).rejects.toMatchObject({
      code: 'STORE_FAILED',
      message: 'Redis takes no events of "click": its schema could not be written.',
    });
    await server.command('ACL', 'SETUSER', 'narrow', '+hset');
    await narrow.trim({ appendedBeforeMs: 0, bytesMax: 1e9 });
    expect(await narrow.append([{ event, partitions: [0] }])).toEqual(['appended']);
    await narrow.close();
  });

  it('that are no schemas are refused, with what to type', async () => {
    await openNew();
    const hash = `mr:${logs.project}:event_schemas`;
    await server.command('HSET', hash, 'click', '[[1]]');
    await expect(open()).rejects.toThrow(
      `In Redis, the field click of ${hash} is no list of schemas. If no events of before are needed, type: HDEL ${hash} click`,
    );
    await server.command('HSET', `mr:${logs.project}:event_log`, 'format', '{"version":2}');
    await expect(open()).rejects.toThrow('is of another version of Millrace, or damaged: {"version":2}');
  });
});

describe('a Redis that is emptied under a running log', () => {
  it('has a log that begins anew at offset 0, and what lies beside it', async () => {
    const log = await openNew();
    await append(log, 'a', 'b');
    await server.command('FLUSHALL');
    expect((await log.sizes())[0]).toEqual({ firstOffset: 0, nextOffset: 0, bytes: 0 });
    expect(await log.read(0, 2, ALL)).toEqual({ records: [], nextOffset: 2 });
    expect([await log.offsetAt(0, 0), await log.trim(EVERYTHING_IS_DUE)]).toEqual([0, 0]);
    await server.command('FLUSHALL');
    expect(await append(log, 'a', 'c')).toEqual(['appended', 'appended']);
    expect(await readIds(log)).toEqual(['a', 'c']);
    expect(await readIds(await open())).toEqual(['a', 'c']);
    await expect(open({ partitionCount: 5 })).rejects.toMatchObject({ code: 'INVALID_PROJECT' });
  });

  it('takes no events of one whose number of partitions is another by now', async () => {
    const log = await openNew();
    await append(log, 'a');
    await server.command('FLUSHALL');
    await (await open({ partitionCount: 3 })).append(to([1], 'first'));
    for (let i = 0; i < 2; i++)
      await expect(append(log, 'b')).rejects.toMatchObject({
        code: 'INVALID_PROJECT',
        message: expect.stringMatching(/^streaming\.partitions is 4, but .* has 3/),
      });
    await server.command('FLUSHALL');
    expect(await append(log, 'c')).toEqual(['appended']);
  });
});

describe('a Redis that takes nothing for now', () => {
  it('because its memory is full: says so, and goes on once there is room', async () => {
    const log = await openNew();
    await append(log, 'a');
    const used = /used_memory:(\d+)/.exec(String(await server.command('INFO', 'memory')))?.[1];
    await server.command('CONFIG', 'SET', 'maxmemory', String(Number(used) + 1000));
    const page = 'x'.repeat(60_000);
    const large = idsFrom(0, 20).map((id) => ({ event: clickEvent(id, page), partitions: [0, 1] }));
    const failures: unknown[] = [];
    for (const write of large) await log.append([write]).catch((error: unknown) => failures.push(error));
    expect(failures.length).toBeGreaterThan(0);
    for (const failure of failures)
      expect(failure).toMatchObject({
        code: 'STORE_FAILED',
        message: expect.stringMatching(
          /^Redis: it has reached its maxmemory.* send them again with the same ids\.$/,
        ),
      });
    expect(await readIds(log)).not.toHaveLength(0);
    // What is due goes all the same, and makes room.
    expect(await log.trim(EVERYTHING_IS_DUE)).toBeGreaterThan(0);
    expect((await log.sizes())[0]).toMatchObject({ bytes: 0 });
    await server.command('CONFIG', 'SET', 'maxmemory', '0');
    await log.append(large);
    for (const partition of [0, 1]) {
      const ids = await readIds(log, partition);
      expect([ids.length, new Set(ids)]).toEqual([20, new Set(idsFrom(0, 20))]);
    }
    expect(await log.append(large)).toEqual(all('duplicate', 20));
  });

  it('because it hangs: it is not known whether the events are in the log, and sending them again settles it', async () => {
    const log = await openNew();
    await append(log, 'a');
    server.signal('SIGSTOP');
    const failure = await append(log, 'b', 'c').catch((error: unknown) => error);
    expect(failure).toMatchObject({
      code: 'STORE_FAILED',
      message:
        'Redis: no answer within 5000 ms. Some of the events may be in the log; send them again with the same ids.',
    });
    await expect(append(log, 'b')).rejects.toMatchObject({
      message: expect.stringMatching(/^Redis: it is away\./),
    });
    await expect(log.read(0, 0, ALL)).rejects.toMatchObject({ code: 'STORE_FAILED' });
    server.signal('SIGCONT');
    while (
      await append(log, 'b', 'c', 'd').then(
        () => false,
        () => true,
      )
    );
    expect(await readIds(log)).toEqual(['a', 'b', 'c', 'd']);
    expect(await append(log, 'b', 'c', 'd')).toEqual(all('duplicate', 3));
  });
});
