/** A project with a fast model and a heavy one (some 25 ms a run), served in this process, and load for it. */
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { systemClock } from '../src/clock.ts';
import { MillraceError } from '../src/errors.ts';
import { openLmdbStoreAlone } from '../src/features/lmdb-store.ts';
import type { Project } from '../src/project/project.ts';
import { loadProject } from '../src/project/read-project.ts';
import { openServing } from '../src/serving/serving.ts';
import type { Serving, ServingParts } from '../src/serving/serving.ts';
import { createLog } from '../src/telemetry/log.ts';
import { createMetrics } from '../src/telemetry/metrics.ts';

export interface HeavyProject {
  readonly dir: string;
  readonly project: Project;
  readonly parts: ServingParts;
  open(): Promise<Serving>;
  remove(): Promise<void>;
}

const models = new URL('../test/cases/models/', import.meta.url);

export interface HeavyProjectOptions {
  /** File of the heavy model in test/cases/models, without `.onnx`; default heavy. */
  readonly model?: string;
  /** As in the project file. */
  readonly limits?: Readonly<Record<string, string | number>>;
}

/** @param heavy keys of the heavy model's description: `execution`, `workers` and so on */
export async function heavyProject(
  heavy: Readonly<Record<string, unknown>>,
  { model = 'heavy', limits = {} }: HeavyProjectOptions = {},
): Promise<HeavyProject> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-heavy-'));
  const endpoints = { fast: endpointOf('fast'), heavy: endpointOf('heavy') };
  await writeFile(join(dir, 'millrace.json'), JSON.stringify({ project: 'heavy', endpoints, limits }));
  await addModel(dir, 'fast', 'identity_float32', { inputs: { x: ['request.x', '1'] } });
  await addModel(dir, 'heavy', model, { inputs: { x: 'request.x' }, ...heavy });
  const project = await loadProject(dir);
  const store = await openLmdbStoreAlone({ path: join(dir, 'data'), views: [] });
  const parts = { project, store, metrics: createMetrics(), clock: systemClock, log: createLog('silent') };
  return {
    dir,
    project,
    parts,
    open: async () => openServing(parts),
    remove: async () => {
      await store.close();
      parts.metrics.close();
      await rm(dir, { recursive: true });
    },
  };
}

function endpointOf(model: string): object {
  return { request: { x: 'float32' }, variants: { only: { model: `${model}@1` } } };
}

async function addModel(dir: string, name: string, file: string, description: object): Promise<void> {
  await mkdir(join(dir, name, '1'), { recursive: true });
  await copyFile(new URL(`${file}.onnx`, models), join(dir, name, '1', 'model.onnx'));
  await writeFile(join(dir, name, 'model.json'), JSON.stringify(description));
}

/** What became of requests: the times of the answers, and those of the refusals and other errors by code. */
export interface Outcome {
  readonly answersMs: number[];
  readonly errorsMs: Map<string, number[]>;
}

export interface Load {
  readonly endpoint: 'fast' | 'heavy';
  readonly perSecond: number;
  readonly durationMs: number;
  /** A caller that waits longer hangs up; its request counts as an error LATE. */
  readonly patienceMs?: number;
}

/** Sends requests of one row on a schedule, whatever has been answered; times count from the scheduled time. */
export async function sendLoad(serving: Serving, load: Load): Promise<Outcome> {
  const { endpoint, perSecond, durationMs, patienceMs = 1000 } = load;
  const outcome: Outcome = { answersMs: [], errorsMs: new Map() };
  const startMs = performance.now();
  const pending: Promise<void>[] = [];
  for (let sent = 0; (sent / perSecond) * 1000 < durationMs;) {
    const dueMs = startMs + (sent / perSecond) * 1000;
    if (dueMs > performance.now()) {
      await pause(1);
      continue;
    }
    pending.push(ask(serving, endpoint, dueMs, patienceMs, outcome));
    sent++;
  }
  await Promise.all(pending);
  return outcome;
}

async function ask(
  serving: Serving,
  endpointName: string,
  dueMs: number,
  patienceMs: number,
  { answersMs, errorsMs }: Outcome,
): Promise<void> {
  const endpoint = serving.endpoints.get(endpointName);
  if (endpoint === undefined) throw new Error(`no endpoint ${endpointName}`);
  return new Promise((resolve) => {
    const settle = (code?: string): void => {
      if (sink.isDone) return;
      sink.isDone = true;
      clearTimeout(timer);
      const elapsedMs = performance.now() - dueMs;
      if (code === undefined) answersMs.push(elapsedMs);
      else errorsMs.set(code, [...(errorsMs.get(code) ?? []), elapsedMs]);
      resolve();
    };
    const sink = {
      requestId: 'r',
      isDone: false,
      answer: () => settle(),
      fail: (error: unknown) => settle(error instanceof MillraceError ? error.code : String(error)),
    };
    const timer = setTimeout(() => settle('LATE'), patienceMs);
    try {
      const refusal = serving.refusal();
      if (refusal !== undefined) throw refusal;
      endpoint.predict(endpoint.decode({ rows: [{ x: 1 }] }), sink);
    } catch (error) {
      sink.fail(error);
    }
  });
}

/** The value that a share of the values does not exceed; NaN without values. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN;
}
