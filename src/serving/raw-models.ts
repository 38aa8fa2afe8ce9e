/** The models of a project as they serve tensors: those that are there, and why others are not. */
import { MillraceError } from '../errors.ts';
import type { LoadedModel, ModelRepository } from '../inference/model-repository.ts';
import { rowOutputs } from '../inference/row-outputs.ts';
import type { ModelVersion, Project } from '../project/project.ts';
import type { Clock } from '../clock.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Batchers } from './batchers.ts';
import type { ServedVariant } from './compile-project.ts';
import { createLoneRuns } from './lone-runs.ts';
import { placeTensorModel } from './place-tensor-model.ts';
import { createRawModel, noCounts } from './raw-model.ts';
import type { RawModel } from './raw-model.ts';

/** A version of the project that does not answer. */
export interface UnavailableModel {
  readonly state: 'unavailable';
  readonly name: string;
  readonly version: string;
  /** A sentence. */
  readonly reason: string;
}

export interface RawModels {
  /**
   * @param version undefined = the newest that answers, or the newest if none does
   * @returns undefined = the project has no such model or version
   */
  get(name: string, version?: string): RawModel | UnavailableModel | undefined;
  /** All versions of all models, in the order of the project, versions in numeric order. */
  list(): readonly (RawModel | UnavailableModel)[];
}

export interface RawModelsParts {
  readonly project: Project;
  readonly repository: ModelRepository;
  readonly batchers: Batchers;
  /** The variants of endpoints; their models are placed and have batchers. */
  readonly variants: readonly ServedVariant[];
  readonly metrics: Metrics;
  readonly log: Log;
  readonly clock: Clock;
}

/** Of each model, the versions that may be opened although no endpoint uses them, the newest first. */
export function newestVersions({ models }: Project): (readonly ModelVersion[])[] {
  return [...models.values()].map(({ versions }) => [...versions.values()].toReversed());
}

/** Places the models that no endpoint uses. What is wrong with one is logged, and stops nothing. */
export async function openRawModels(parts: RawModelsParts): Promise<RawModels> {
  const models = new Map<string, ReadonlyMap<string, RawModel | UnavailableModel>>();
  for (const { name, versions } of parts.project.models.values()) {
    const own = new Map<string, RawModel | UnavailableModel>();
    for (const version of versions.values()) own.set(version.version, await openModel(version, parts));
    models.set(name, own);
  }
  for (const { model, version, reason } of parts.project.unserved) {
    parts.log.warn({ model, version }, `the model is not served: ${reason}`);
    const own = new Map(models.get(model));
    own.set(version, { state: 'unavailable', name: model, version, reason });
    models.set(model, own);
  }
  return {
    get(name, version) {
      const versions = models.get(name);
      if (versions === undefined || version !== undefined) return versions?.get(version ?? '');
      const all = [...versions.values()];
      return all.findLast(({ state }) => state === 'ready') ?? all.at(-1);
    },
    list: () => [...models.values()].flatMap((versions) => [...versions.values()]),
  };
}

async function openModel(version: ModelVersion, parts: RawModelsParts): Promise<RawModel | UnavailableModel> {
  const { repository, log } = parts;
  const served = parts.variants.find(({ loaded }) => loaded.version === version);
  const loaded = repository.get(version);
  const [mistake] = repository.mistakesOf(version);
  if (loaded === undefined) {
    const reason =
      mistake?.message ?? 'The version is not loaded: a newer one is served, and no endpoint uses this one.';
    if (mistake !== undefined) log.warn(labelsOf(version), `the model is not served: ${reason}`);
    return unavailable(version, reason);
  }
  if (served === undefined && mistake !== undefined)
    log.warn(labelsOf(version), `the file of before is served on: ${mistake.message}`);
  try {
    const isPerRow =
      served === undefined
        ? await placeTensorModel(loaded, parts)
        : await probed(loaded, served.compiled.transforms.widths, repository);
    return ready(version, isPerRow, parts);
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    log.warn(labelsOf(version), `the model is not served: ${error.message}`);
    return unavailable(version, error.message);
  }
}

async function probed(
  { version, session }: LoadedModel,
  widths: readonly number[],
  repository: ModelRepository,
): Promise<readonly boolean[]> {
  if (!version.warmup) return session.outputs.map(() => false);
  return repository.once(version, `row outputs ${widths.join()}`, async () => rowOutputs(session, widths));
}

function ready(version: ModelVersion, isPerRow: readonly boolean[], parts: RawModelsParts): RawModel {
  const { project, repository, batchers, clock } = parts;
  const { session } = repository.loaded(version);
  return createRawModel({
    version,
    session,
    isPerRow,
    batcherOf: (widths) => batchers.find(version, widths),
    lone: createLoneRuns(session, version.queueRowsMax, batchers.observers(version)),
    runs: batchers.runs(version),
    counts: repository.keep(version, 'inferences', noCounts),
    rowsMax: project.limits.rowsMax,
    timeoutMs: project.limits.timeoutMs,
    nowMs: () => clock.nowMs(),
  });
}

function unavailable({ model, version }: ModelVersion, reason: string): UnavailableModel {
  return { state: 'unavailable', name: model, version, reason };
}

function labelsOf({ model, version }: ModelVersion): { model: string; version: string } {
  return { model, version };
}
