/**
 * The model versions of a project, each with its open session. Everything that can be wrong with a model file by
 * itself is found here, for all versions at once and with the place in the project file; what depends on the
 * expressions that fill the inputs is the caller's to compare, with `expectedInput` and `resolveOutputs`.
 */
import type { ErrorDetail } from '../errors.ts';
import { MillraceError } from '../errors.ts';
import type { Location, Mistake, ModelVersion } from '../project/project.ts';
import { suggestName } from '../project/suggestion.ts';
import { refuseInput } from './expected-input.ts';
import { createExitGuard } from './exit-guard.ts';
import { openSession } from './session.ts';
import type { ModelSession } from './session.ts';
import { openWorkerSession } from './worker-session.ts';
import type { WorkerSessionOptions } from './worker-session.ts';

export { expectedInput, isFillable, refuseInput } from './expected-input.ts';
export type { FillableType } from './expected-input.ts';
export { resolveOutputs } from './resolve-outputs.ts';

export interface LoadedModel {
  readonly version: ModelVersion;
  readonly session: ModelSession;
}

export interface ModelRepository {
  /**
   * What is wrong with a version: its file, or that its rows cannot be filled or read as its model.yaml says; empty if
   * nothing is.
   */
  mistakesOf(version: ModelVersion): readonly Mistake[];
  /** undefined if its file cannot be loaded. */
  get(version: ModelVersion): LoadedModel | undefined;
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

interface OpenedVersion {
  readonly loaded: LoadedModel | undefined;
  readonly mistakes: readonly Mistake[];
}

/** Loads the versions one by one: loading blocks the event loop, about 4 ms for each megabyte. */
export async function openModelRepository(versions: readonly ModelVersion[]): Promise<ModelRepository> {
  const models = new Map<string, OpenedVersion>();
  const exitGuard = createExitGuard();
  for (const version of versions) models.set(keyOf(version), await openVersion(version));
  const loaded = (version: ModelVersion): LoadedModel => {
    const model = models.get(keyOf(version))?.loaded;
    if (model === undefined) throw new Error(`${keyOf(version)} is not loaded`);
    return model;
  };
  return {
    loaded,
    mistakesOf: (version) => models.get(keyOf(version))?.mistakes ?? [],
    get: (version) => models.get(keyOf(version))?.loaded,
    moveToThreads: async (version, plan) => {
      const { session: inline } = loaded(version);
      const session = await openWorkerSession(inline.path, { ...plan, exitGuard });
      models.set(keyOf(version), {
        loaded: { version, session },
        mistakes: models.get(keyOf(version))?.mistakes ?? [],
      });
      await inline.release();
    },
    openBackground: async (version, onRestart) => {
      const { session } = loaded(version);
      const options = { threads: 1, exitGuard, onRestart, isBackground: true };
      return openWorkerSession(session.path, options);
    },
    release: async () => {
      await Promise.all([...models.values()].map(async (model) => model.loaded?.session.release()));
    },
  };
}

function keyOf({ model, version }: ModelVersion): string {
  return `${model}@${version}`;
}

async function openVersion(version: ModelVersion): Promise<OpenedVersion> {
  try {
    const session = await openSession(version.onnxPath);
    return {
      loaded: { version, session },
      mistakes: version.isDescribed ? rowMistakes(version, session) : [],
    };
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    const mistakes = error.details?.map((detail) => detailMistake(version, detail));
    return { loaded: undefined, mistakes: mistakes ?? [{ ...version.location, message: error.message }] };
  }
}

/** Inputs that rows cannot fill, and outputs that are selected and cannot be read. */
function rowMistakes(version: ModelVersion, session: ModelSession): Mistake[] {
  const mistake = (path: string, message: string | undefined): Mistake[] =>
    message === undefined ? [] : [detailMistake(version, { path, message })];
  const inputs = session.inputs.flatMap((spec) => mistake(`inputs.${spec.name}`, refuseInput(spec)));
  const selected =
    version.outputs?.map(({ tensor }) => tensor) ?? session.refusedOutputs.map(({ name }) => name);
  const outputs = [...new Set(selected)].flatMap((name) =>
    mistake(`outputs.${name}`, refuseOutput(name, session)),
  );
  return [...inputs, ...outputs];
}

function refuseOutput(name: string, { outputs, refusedOutputs }: ModelSession): string | undefined {
  if (outputs.some((output) => output.name === name)) return undefined;
  const refused = refusedOutputs.find((output) => output.name === name);
  if (refused !== undefined) return refused.message;
  const names = [...outputs, ...refusedOutputs].map((output) => output.name);
  return `The model has no output "${name}"; ${suggestName(name, names, 'its outputs')}`;
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
