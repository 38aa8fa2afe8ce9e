/**
 * The model versions of a project, each with its open session. Everything that can be wrong with a model file by
 * itself is found here, for all versions at once and with the place in the project file; what depends on the
 * expressions that fill the inputs is the caller's to compare, with `expectedInput` and `resolveOutputs`.
 */
import type { ErrorDetail } from '../errors.ts';
import { MillraceError } from '../errors.ts';
import type { Location, Mistake, ModelVersion } from '../project/project.ts';
import { refuseInput } from './expected-input.ts';
import { createExitGuard } from './exit-guard.ts';
import { openSession } from './session.ts';
import type { ModelSession } from './session.ts';
import { openWorkerSession } from './worker-session.ts';
import type { WorkerSessionOptions } from './worker-session.ts';

export { expectedInput } from './expected-input.ts';
export { resolveOutputs } from './resolve-outputs.ts';

export interface LoadedModel {
  readonly version: ModelVersion;
  /** Opened with the outputs that the version selects. */
  readonly session: ModelSession;
}

export interface ModelRepository {
  /** What is wrong with the versions that could not be loaded; empty if all are. */
  readonly mistakes: readonly Mistake[];
  /** undefined if it was not asked for, or has mistakes. */
  get(model: string, version: string): LoadedModel | undefined;
  /** A version that is known to be loaded. */
  loaded(version: ModelVersion): LoadedModel;
  /**
   * Gives a loaded version a session in worker threads, and releases the old one.
   * @throws MillraceError INVALID_MODEL, WORKER_LOST, STARTUP_FAILED
   */
  moveToThreads(version: ModelVersion, plan: ThreadPlan): Promise<void>;
  /**
   * Another session of a loaded version, in a thread that gives way to all others; whoever opened it releases it.
   * @throws MillraceError INVALID_MODEL, WORKER_LOST
   */
  openBackground(version: ModelVersion, onRestart: RestartListener): Promise<ModelSession>;
  /** Waits for the runs in flight, then frees every model. */
  release(): Promise<void>;
}

/** Of how many threads, and who hears of their ends. */
export type ThreadPlan = Pick<WorkerSessionOptions, 'threads' | 'onRestart'>;

export type RestartListener = NonNullable<ThreadPlan['onRestart']>;

/** Loads the versions one by one: loading blocks the event loop, about 4 ms for each megabyte. */
export async function openModelRepository(versions: readonly ModelVersion[]): Promise<ModelRepository> {
  const models = new Map<string, LoadedModel>();
  const mistakes: Mistake[] = [];
  const exitGuard = createExitGuard();
  for (const version of versions) {
    const opened = await openVersion(version);
    if (Array.isArray(opened)) mistakes.push(...opened);
    else models.set(modelKey(version.model, version.version), opened);
  }
  const loaded = (version: ModelVersion): LoadedModel => {
    const model = models.get(modelKey(version.model, version.version));
    if (model === undefined) throw new Error(`${version.model}@${version.version} is not loaded`);
    return model;
  };
  return {
    mistakes,
    loaded,
    get: (model, version) => models.get(modelKey(model, version)),
    moveToThreads: async (version, plan) => {
      const { session: inline } = loaded(version);
      const outputs = inline.outputs.map(({ name }) => name);
      const session = await openWorkerSession(inline.path, { ...plan, outputs, exitGuard });
      models.set(modelKey(version.model, version.version), { version, session });
      await inline.release();
    },
    openBackground: async (version, onRestart) => {
      const { session } = loaded(version);
      const outputs = session.outputs.map(({ name }) => name);
      const options = { threads: 1, outputs, exitGuard, onRestart, isBackground: true };
      return openWorkerSession(session.path, options);
    },
    release: async () => {
      await Promise.all([...models.values()].map(async ({ session }) => session.release()));
    },
  };
}

function modelKey(model: string, version: string): string {
  return `${model}@${version}`;
}

async function openVersion(version: ModelVersion): Promise<LoadedModel | Mistake[]> {
  let session: ModelSession;
  try {
    const outputs = version.outputs && [...new Set(version.outputs.map(({ tensor }) => tensor))];
    session = await openSession(version.onnxPath, { outputs });
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    if (error.details === undefined) return [{ ...version.location, message: error.message }];
    return error.details.map((detail) => detailMistake(version, detail));
  }
  const refusals = session.inputs.flatMap((spec) => {
    const message = refuseInput(spec);
    return message === undefined ? [] : [detailMistake(version, { path: `inputs.${spec.name}`, message })];
  });
  if (refusals.length === 0) return { version, session };
  await session.release();
  return refusals;
}

function detailMistake(version: ModelVersion, { path, message }: ErrorDetail): Mistake {
  return { ...placeOf(version, path), message: `${version.onnxPath}: ${message}` };
}

/** Where model.yaml speaks of `inputs.<name>` or `outputs.<name>`. */
function placeOf(version: ModelVersion, path: string): Location {
  const input = version.inputs.find(({ name }) => path === `inputs.${name}`);
  const output = version.outputs?.find(({ tensor }) => path === `outputs.${tensor}`);
  return (input ?? output ?? version).location;
}
