/** Processes that append and apply on one folder, and are killed at random moments; then everything is compared. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { systemClock } from '../../src/clock.ts';
import { openLmdbStore } from '../../src/features/lmdb-store.ts';
import { openLmdbEnvironment } from '../../src/lmdb/lmdb-environment.ts';
import { openEventStreaming } from '../../src/streaming/event-streaming.ts';
import { openLmdbEvents } from '../../src/streaming/open-lmdb-events.ts';
import type { EventStreaming } from '../../src/streaming/event-streaming.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { BATCH_EVENTS, crashEvent, wrongCells } from './crash-events.ts';
import { airports, flightProject, flightViews } from './flight-stream.ts';

export interface CrashRun {
  readonly path: string;
  readonly events: number;
  readonly kills: number;
  readonly processes: number;
  onProgress?(batches: number, kills: number): void;
}

export interface CrashResult {
  readonly kills: number;
  /** Records of acknowledged events that are not in the log. */
  readonly missing: number;
  readonly twice: number;
  readonly setAside: number;
  readonly cells: number;
  readonly wrong: readonly string[];
}

export async function runCrashes(run: CrashRun): Promise<CrashResult> {
  // As the first worker of a server does: it makes the folder before others open it.
  await (await openFolder(run.path)).close();
  const kills = await appendAndKill(run);
  return { kills, ...(await compare(run)) };
}

/** @returns how many processes were killed */
async function appendAndKill(run: CrashRun): Promise<number> {
  const { path, events, kills, processes } = run;
  const total = events / BATCH_EVENTS;
  const again: number[] = [];
  const children = new Set<ChildProcess>();
  let next = 0;
  let durable = 0;
  let killed = 0;
  return new Promise((resolve) => {
    const end = (): void => {
      for (const child of children) child.kill('SIGKILL');
      resolve(killed);
    };
    const begin = (): void => {
      const child = spawn('node', ['--import', 'tsx', 'test/streaming/crash-worker.ts', path], {
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      children.add(child);
      let batch: number | undefined;
      const give = (): void => {
        batch = again.pop() ?? (next < total ? next++ : undefined);
        if (batch !== undefined) child.stdin.write(`${batch}\n`);
      };
      child.stdin.on('error', () => undefined);
      give();
      createInterface({ input: child.stdout }).on('line', () => {
        batch = undefined;
        run.onProgress?.(++durable, killed);
        const isDue = killed < kills && durable > ((killed + 1) * total) / (kills + 1);
        // A moment later: in the middle of whatever it does then.
        if (isDue && !child.killed) setTimeout(() => child.kill('SIGKILL'), Math.random() * 30);
        if (isDue) killed++;
        if (durable === total) end();
        else give();
      });
      child.on('close', () => {
        children.delete(child);
        // It may be in the log or not: it is sent again.
        if (batch !== undefined) again.push(batch);
        if (durable < total) begin();
      });
    };
    for (let i = 0; i < processes; i++) begin();
  });
}

async function compare({ path, events }: CrashRun): Promise<Omit<CrashResult, 'kills'>> {
  const streaming = await openFolder(path);
  await streaming.settle();
  const ids = await idsInLog(streaming);
  const all = Array.from({ length: events }, (_, n) => crashEvent(n));
  const asOfMs = all.reduce((latest, { timeMs }) => Math.max(latest, timeMs), -Infinity);
  const wrong: string[] = [];
  let cells = 0;
  for (const view of Object.values(flightViews)) {
    const keyAt = view.stream?.keyFields[0]?.index;
    for (const key of keyAt === undefined ? [''] : airports) {
      const own = keyAt === undefined ? all : all.filter(({ values }) => values[keyAt] === key);
      const row = streaming.source.get(view, key, asOfMs, false) ?? null;
      wrong.push(...wrongCells(view, own, asOfMs, row).map((cell) => `${key} ${cell}`));
      cells += view.features.length - 1;
    }
  }
  const setAside = (await streaming.deadLetters.count()) + (await streaming.corrections.count());
  await streaming.close();
  const missing = all.filter(({ id }) => !ids.has(id)).length;
  const twice = [...ids.values()].filter((count) => count > 1).length;
  return { missing, twice, setAside, cells, wrong };
}

async function openFolder(path: string): Promise<EventStreaming> {
  const environment = await openLmdbEnvironment({ path });
  const store = await openLmdbStore({ environment, views: [] });
  const logger = createLog('error');
  const parts = { project: flightProject, store, metrics: createMetrics(), clock: systemClock, logger };
  const streaming = await openEventStreaming(await openLmdbEvents(environment, parts), parts);
  return {
    ...streaming,
    async close() {
      await streaming.close();
      await environment.close();
    },
  };
}

/** How often each event is in the log, copies for other partitions not counted. */
async function idsInLog({ log }: EventStreaming): Promise<Map<string, number>> {
  const ids = new Map<string, number>();
  for (const [partition, { firstOffset, nextOffset }] of (await log.sizes()).entries()) {
    for (let from = firstOffset; from < nextOffset;) {
      const read = await log.read(partition, from, { recordsMax: 10_000, bytesMax: 1e9 });
      for (const { event, isCopy } of read.records)
        if (event !== undefined && !isCopy) ids.set(event.id, (ids.get(event.id) ?? 0) + 1);
      from = read.nextOffset;
    }
  }
  return ids;
}
