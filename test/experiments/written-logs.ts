/** Logs of an experiment as servers write them, in a folder of their own. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/clock.ts';
import type { AcceptedEvent } from '../../src/events/event.ts';
import { openLmdbEventLog } from '../../src/events/lmdb-event-log.ts';
import {
  exposureType,
  feedbackType,
  predictionType,
  requestPartition,
} from '../../src/events/prediction-events.ts';
import type { BlockShape, RecordParts } from '../../src/events/prediction-events.ts';
import { openLmdbEnvironment } from '../../src/lmdb/lmdb-environment.ts';
import type { EventType } from '../../src/project/project.ts';
import type { AssignmentHow } from '../../src/project/rollout.ts';
import type { Value } from '../../src/project/value.ts';
import { openPredictionEvents } from '../../src/serving/open-prediction-log.ts';

export const PARTITIONS = 4;
export const DAY_MS = 86_400_000;
export const FIRST_MS = Date.parse('2026-03-09T00:00:00Z');

export interface WrittenExposure {
  readonly unit: string;
  readonly variant: string;
  readonly timeMs: number;
  readonly experiment?: string;
  readonly endpoint?: string;
  readonly version?: number;
  readonly propensity?: number;
  readonly how?: AssignmentHow;
  readonly isBot?: boolean;
}

export interface WrittenPrediction extends WrittenExposure {
  readonly requestId: string;
  /** By row: the value of the output `y`. */
  readonly outputs?: readonly (number | null)[];
  /** false = of before there was an experiment. */
  readonly assigned?: boolean;
  readonly feedback?: readonly WrittenFeedback[];
}

export interface WrittenFeedback {
  readonly row?: number;
  readonly label?: number | boolean | string;
  readonly reward?: number;
  readonly click?: boolean;
}

export interface LogWriter {
  readonly path: string;
  expose(exposure: WrittenExposure): void;
  predict(prediction: WrittenPrediction): void;
  tell(requestId: string, feedback: WrittenFeedback): void;
  event(type: EventType, values: readonly Value[], timeMs: number, partitions?: readonly number[]): void;
  /** Appends what was given; the logs can be read then. */
  write(eventTypes?: readonly EventType[]): Promise<void>;
  writeUnreadable(): Promise<void>;
  remove(): void;
}

const shape: BlockShape = { fields: ['user'], hashed: [], outputs: ['y'], bindings: [], reads: [] };
const CALL_MAX = 2000;

export function createLogWriter(): LogWriter {
  const path = mkdtempSync(join(tmpdir(), 'millrace-experiment-'));
  const logged: { event: AcceptedEvent; partitions: readonly number[] }[] = [];
  const events: { event: AcceptedEvent; partitions: readonly number[] }[] = [];
  let next = 0;

  function log(type: EventType, values: readonly Value[], timeMs: number, key: string): void {
    const event = { id: `e-${next++}`, type, timeMs, receivedMs: timeMs, values };
    logged.push({ event, partitions: [requestPartition(key, PARTITIONS)] });
  }

  function tell(requestId: string, { row, label, reward, click }: WrittenFeedback): void {
    const text = label === undefined ? null : JSON.stringify(label);
    log(feedbackType, [requestId, row ?? null, text, reward ?? null, click ?? null], FIRST_MS, requestId);
  }

  return {
    path,
    tell,
    expose({ unit, variant, timeMs, ...rest }) {
      const { experiment = 'exp', endpoint = 'shop', version = 1, propensity = 0.5 } = rest;
      const { how = 'hash', isBot = false } = rest;
      const values = [experiment, endpoint, version, unit, variant, propensity, how, isBot, `r-${unit}`];
      log(exposureType, values, timeMs, unit);
    },
    predict(prediction) {
      const { requestId, timeMs, feedback = [] } = prediction;
      log(predictionType, predictionValues(prediction), timeMs, requestId);
      for (const each of feedback) tell(requestId, each);
    },
    event(type, values, timeMs, partitions = [0]) {
      events.push({ event: { id: `e-${next++}`, type, timeMs, receivedMs: timeMs, values }, partitions });
    },
    async write(eventTypes = []) {
      const environment = await openLmdbEnvironment({ path });
      const predictionLog = await openPredictionEvents(environment, PARTITIONS, systemClock);
      for (let at = 0; at < logged.length; at += CALL_MAX)
        await predictionLog.append(logged.slice(at, at + CALL_MAX));
      await predictionLog.close();
      if (eventTypes.length > 0) {
        const types = new Map(eventTypes.map((type) => [type.name, type]));
        const eventLog = await openLmdbEventLog({
          environment,
          types,
          partitionCount: PARTITIONS,
          clock: systemClock,
        });
        for (let at = 0; at < events.length; at += CALL_MAX)
          await eventLog.append(events.slice(at, at + CALL_MAX));
        await eventLog.close();
      }
      await environment.close();
    },
    writeUnreadable: async () => appendUnreadable(path),
    remove: () => rmSync(path, { recursive: true, force: true }),
  };
}

function predictionValues({
  requestId,
  unit,
  variant,
  timeMs,
  outputs = [0.5],
  ...rest
}: WrittenPrediction): Value[] {
  const { experiment = 'exp', endpoint = 'shop', version = 1, propensity = 0.5 } = rest;
  const { how = 'hash', isBot = false, assigned = true } = rest;
  const record: RecordParts = [
    requestId,
    timeMs,
    null,
    1,
    propensity,
    outputs.map(() => [unit]),
    outputs.map((output) => [output]),
    null,
    assigned ? [experiment, version, unit, how, isBot] : null,
  ];
  return [endpoint, variant, 'm', '1', JSON.stringify(shape), 1, JSON.stringify(record)];
}

/** Of a type that this version does not have. */
async function appendUnreadable(path: string): Promise<void> {
  const environment = await openLmdbEnvironment({ path });
  const type = { ...feedbackType, name: 'opinion' };
  const types = new Map([[type.name, type]]);
  const other = { environment, kind: 'prediction', types, partitionCount: PARTITIONS } as const;
  const strange = await openLmdbEventLog({ ...other, clock: systemClock });
  const event = { id: 'o', type, timeMs: 1, receivedMs: 1, values: ['r', null, 'true', null, null] };
  await strange.append([{ event, partitions: [0] }]);
  await strange.close();
  await environment.close();
}
