/** Processes that are killed while they append and apply, in small; `npm run crashes` is the long run. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { AcceptedEvent } from '../../src/events/event.ts';
import { startRedis } from '../redis/redis-server.ts';
import type { RedisServer } from '../redis/redis-server.ts';
import { compareWith } from './crash-comparison.ts';
import { crashEvents } from './crash-events.ts';
import { appendAndKill } from './crash-run.ts';
import { writeOf } from './flight-stream.ts';
import { openPlace } from './open-place.ts';

/** A machine on which much else runs takes ten times as long. */
const TIMEOUT_MS = 240_000;

const faultless = { cells: 119, wrong: [], missing: 0, twice: 0, setAside: 0 };

let address: string;
beforeEach(async () => {
  address = await mkdtemp(join(tmpdir(), 'millrace-crashes-'));
});
afterEach(async () => rm(address, { recursive: true }));

async function append(events: readonly AcceptedEvent[]): Promise<void> {
  const place = await openPlace(address);
  await place.log.append(events.map((event) => writeOf(event, place.routing)));
  await place.close();
}

it(
  'loses no event and counts none twice while processes that compete are killed, one by one and all at once',
  { timeout: TIMEOUT_MS },
  async () => {
    // The last batch is not a full one.
    const events = 5100;
    const kills = await appendAndKill({ address, events, kills: 6, processes: 2 });
    expect(kills).toBe(6);
    expect(await compareWith(crashEvents(events), address)).toEqual(faultless);
  },
);

it(
  'tells of a process that ends by itself, instead of starting another one for ever',
  { timeout: TIMEOUT_MS },
  async () => {
    vi.stubEnv('NODE_OPTIONS', '--no-such-option');
    const run = appendAndKill({ address, events: 1000, kills: 1, processes: 2 });
    await expect(run).rejects.toThrow(/^a process ended with 9, and printed: .*--no-such-option/);
    vi.unstubAllEnvs();
  },
);

describe('in Redis', () => {
  let server: RedisServer;
  beforeEach(async () => {
    server = await startRedis(['--appendonly', 'yes', '--appendfsync', 'always']);
  });
  afterEach(async () => server.stop());

  it(
    'loses no event and counts none twice while they and Redis are killed in turn',
    { timeout: TIMEOUT_MS },
    async () => {
      const events = 10_100;
      const killPlace = async (): Promise<void> => {
        await server.kill();
        await server.restart();
      };
      const kills = await appendAndKill({ address: server.url, events, kills: 8, processes: 2, killPlace });
      expect(kills).toBeGreaterThanOrEqual(8);
      expect(await compareWith(crashEvents(events), server.url)).toEqual(faultless);
    },
  );
});

describe('the comparison', () => {
  const events = crashEvents(1000);
  const [last] = events.slice(-1) as [AcceptedEvent];

  beforeEach(async () => {
    await append(events);
  });

  it('finds nothing where all is as it should be', async () => {
    const found = await compareWith(events, address);
    expect(found).toEqual(faultless);
  });

  it('finds an event that is in the features and should not be, or should be in them twice', async () => {
    const { wrong, missing } = await compareWith(events.slice(0, -1), address);
    expect(missing).toBe(0);
    // By origin, by destination and overall: at least its two counts.
    expect(wrong.length).toBeGreaterThanOrEqual(6);
    expect(wrong.join('\n')).toMatch(/^ ?overall count of 1800000 ms: \d+ instead of \d+$/m);
    const doubled = await compareWith([...events, last], address);
    expect(doubled.wrong.length).toBeGreaterThanOrEqual(6);
  });

  it('finds an event that is not in the log', async () => {
    const { missing } = await compareWith([...events, { ...last, id: 'another' }], address);
    expect(missing).toBe(1);
  });

  it('finds an event that was set aside', async () => {
    // Not before the others are applied: an event is late by what was applied before it.
    await compareWith(events, address);
    await append([{ ...last, id: 'late', timeMs: last.timeMs - 24 * 60 * 60_000 }]);
    const { setAside, wrong } = await compareWith(events, address);
    expect(wrong).toEqual([]);
    expect(setAside).toBeGreaterThanOrEqual(1);
  });
});
