/** A log in which a part of what should be there is missing, as after a fault of whoever writes it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/clock.ts';
import type { AcceptedEvent } from '../../src/events/event.ts';
import type { EventLog, EventWrite } from '../../src/events/event-log.ts';
import { exposureType } from '../../src/events/prediction-events.ts';
import type { ExperimentReport } from '../../src/experiments/report.ts';
import { openLmdbEnvironment } from '../../src/lmdb/lmdb-environment.ts';
import { openPredictionEvents } from '../../src/serving/open-prediction-log.ts';
import { CONTROL, TREATMENT } from './experiments.ts';
import { drawOf, happens, peopleOf } from './population.ts';
import { createSteppedClock, createWorld, reportOn } from './world.ts';

const READ_LIMITS = { recordsMax: 1000, bytesMax: 4 * 1024 * 1024 };

/** Copies a log into a folder, without some of the exposures of one variant. */
async function copyWithLosses(
  log: EventLog,
  path: string,
  { variant, share }: { readonly variant: string; readonly share: number },
): Promise<void> {
  const isLost = ({ id, type, values }: AcceptedEvent): boolean =>
    type.name === exposureType.name && values[variantIndex] === variant && drawOf(`lost ${id}`) < share;
  const environment = await openLmdbEnvironment({ path });
  const copy = await openPredictionEvents(environment, log.partitionCount, systemClock);
  for (const [partition, { firstOffset, nextOffset }] of (await log.sizes()).entries()) {
    for (let offset = firstOffset; offset < nextOffset;) {
      const read = await log.read(partition, offset, READ_LIMITS);
      const kept = read.records.flatMap(({ event }): EventWrite[] =>
        event === undefined || isLost(event) ? [] : [{ event, partitions: [partition] }],
      );
      await copy.append(kept);
      offset = read.nextOffset;
    }
  }
  await copy.close();
  await environment.close();
}

const variantIndex = exposureType.fields.findIndex(({ name }) => name === 'variant');

export interface LossFinding {
  /** On the log as the server wrote it. */
  readonly whole: ExperimentReport;
  readonly lossy: ExperimentReport;
}

/** An experiment without a difference, and the same one with exposures of the treatment lost. */
export async function runWithLosses(seed: string, people: number, share: number): Promise<LossFinding> {
  const section = {
    experiment: {
      name: seed,
      weights: { [CONTROL]: 50, [TREATMENT]: 50 },
      metrics: { clicked: { feedback: 'click' } },
    },
  };
  const options = { variants: [CONTROL], twins: { [TREATMENT]: CONTROL }, rollout: section };
  const world = await createWorld(options, createSteppedClock());
  const copy = await mkdtemp(join(tmpdir(), 'millrace-lossy-'));
  try {
    await world.visit(peopleOf(seed, people), (person) => ({ click: happens(person.draw('click'), 0.3) }));
    await world.close();
    const definition = world.definition(section);
    const whole = await world.withLog(async (log) => {
      await copyWithLosses(log, copy, { variant: TREATMENT, share });
      return reportOn(log, definition);
    });
    const lossy = await world.withLog(async (log) => reportOn(log, definition), copy);
    return { whole, lossy };
  } finally {
    await world.remove();
    await rm(copy, { recursive: true, force: true });
  }
}
