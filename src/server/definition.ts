/**
 * One definition of the project, ready to answer: what it keeps and reads, and its models and plans. Where a variant
 * follows the newest version of its model, that is the newest one that can be served: what is wrong with a newer one is
 * told, and the one before it serves on.
 */
import { join, sep } from 'node:path';
import { MillraceError } from '../errors.ts';
import type { SessionPool } from '../inference/session-pool.ts';
import type { ModelVersion, Project } from '../project/project.ts';
import type { IsEligible } from '../project/build-endpoints.ts';
import type { RolloutMemoryHolder } from '../serving/rollout-memory.ts';
import { openServing } from '../serving/serving.ts';
import type { Serving } from '../serving/serving.ts';
import { deferGauges } from '../telemetry/deferred-gauges.ts';
import { keepingData, openDataParts } from './data-parts.ts';
import type { DataParts, DataPlace } from './data-parts.ts';

export interface Definition {
  readonly project: Project;
  readonly data: DataParts;
  readonly serving: Serving;
  /** Lets its gauges read in the place of those of the definition before. */
  readonly registerGauges: () => void;
}

export interface DefinitionParts {
  readonly place: DataPlace;
  /** Models that the definition before has open as well are not opened again. */
  readonly pool: SessionPool;
  readonly rolloutMemory: RolloutMemoryHolder;
  /** Its data goes on where the project's is the same. */
  readonly before: Definition | undefined;
  /** The project once more, with `@latest` standing for versions that are eligible. */
  readonly resolve: (isEligible: IsEligible) => Promise<Project>;
}

/** @throws MillraceError INVALID_PROJECT, INVALID_MODEL, STORE_FAILED, WORKER_LOST, STARTUP_FAILED */
export async function openDefinition(project: Project, parts: DefinitionParts): Promise<Definition> {
  const rejected = new Set<string>();
  let tried = project;
  let firstFailure: unknown;
  for (;;) {
    try {
      return await openExactly(tried, parts);
    } catch (error) {
      firstFailure ??= error;
      const guilty = guiltyOf(error, tried).filter((version) => !rejected.has(nameOf(version)));
      if (guilty.length === 0) throw firstFailure;
      for (const version of guilty) {
        rejected.add(nameOf(version));
        const { model, version: number } = version;
        const because = (error as MillraceError).message;
        parts.place.log.error({ model, version: number, because }, 'the newest version cannot be served');
      }
      tried = await parts.resolve((version) => !rejected.has(nameOf(version)));
    }
  }
}

async function openExactly(wanted: Project, parts: DefinitionParts): Promise<Definition> {
  const { pool, rolloutMemory, before } = parts;
  const gauges = deferGauges(parts.place.metrics);
  const place = { ...parts.place, metrics: gauges.metrics };
  const kept = before && keepingData(wanted, before.project);
  const project = kept ?? wanted;
  const data = kept === undefined ? await openDataParts(project, place) : (before as Definition).data;
  const { store, source, predictions: predictionLog, rollouts } = data;
  const { metrics, clock, log } = place;
  try {
    const serving = await openServing({
      project,
      store,
      source,
      metrics,
      clock,
      log,
      pool,
      predictionLog,
      rollouts,
      rolloutMemory,
    });
    return { project, data, serving, registerGauges: () => gauges.register() };
  } catch (error) {
    if (kept === undefined) await data.close();
    throw error;
  }
}

/** The newest versions that an error speaks of, if they are there only because they are the newest. */
function guiltyOf(error: unknown, { dir, endpoints }: Project): ModelVersion[] {
  const isOfProject = error instanceof MillraceError && /^INVALID_(PROJECT|MODEL)$/.test(error.code);
  if (!isOfProject) return [];
  const newest = [...endpoints.values()].flatMap(({ variants }) =>
    variants.filter(({ isLatest }) => isLatest).map(({ model }) => model),
  );
  const spoken = newest.filter(({ model, version }) =>
    error.message.includes(join(dir, model, version) + sep),
  );
  return spoken.length > 0 ? spoken : newest;
}

function nameOf({ model, version }: ModelVersion): string {
  return `${model}@${version}`;
}
