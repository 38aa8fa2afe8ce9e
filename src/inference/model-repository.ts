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
import type { ModelSession } from './session.ts';
import { createSessionPool } from './session-pool.ts';
import type { SessionLease, SessionPool, ThreadPlan } from './session-pool.ts';

export { expectedInput, isFillable, refuseInput } from './expected-input.ts';
export type { FillableType } from './expected-input.ts';
export { resolveOutputs } from './resolve-outputs.ts';

export interface LoadedModel {
  readonly version: ModelVersion;
  readonly session: ModelSession;
  /** Of its files. */
  readonly bytes: number;
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
   * Gives a loaded version a session in worker threads, unless others share it already.
   * @throws MillraceError INVALID_MODEL, WORKER_LOST, STARTUP_FAILED
   */
  moveToThreads(version: ModelVersion): Promise<void>;
  /**
   * Another session of a loaded version, in a thread that gives way to all others; whoever opened it releases it.
   * @throws MillraceError INVALID_MODEL, WORKER_LOST
   */
  openBackground(version: ModelVersion, onRestart: RestartListener): Promise<ModelSession>;
  /** What is found out by runs of a loaded version, once for all who share its session. */
  once<T>(version: ModelVersion, name: string, find: () => Promise<T>): Promise<T>;
  /** What belongs to the session of a loaded version as long as it is open: the same for all who share it. */
  keep<T>(version: ModelVersion, name: string, create: () => T): T;
  /** Frees every model that nobody else serves; waits for its runs in flight. */
  release(): Promise<void>;
}

export type RestartListener = NonNullable<ThreadPlan['onRestart']>;

interface OpenedVersion {
  readonly lease: SessionLease | undefined;
  readonly mistakes: readonly Mistake[];
}

/**
 * Loads the versions one by one, and of each list in `others` the first that can be loaded: loading on the event loop blocks it, about 4 ms for each megabyte.
 * @throws MillraceError WORKER_LOST, STARTUP_FAILED
 */
export async function openModelRepository(
  versions: readonly ModelVersion[],
  pool: SessionPool = createSessionPool(),
  others: readonly (readonly ModelVersion[])[] = [],
): Promise<ModelRepository> {
  const models = new Map<string, OpenedVersion>();
  const release = async (): Promise<void> => {
    await Promise.all([...models.values()].map(async ({ lease }) => lease?.release()));
  };
  try {
    for (const version of versions) models.set(keyOf(version), await openVersion(version, pool));
    for (const candidates of others) {
      for (const version of candidates) {
        const known = models.get(keyOf(version)) ?? (await openOrKeep(version, pool));
        models.set(keyOf(version), known);
        if (known.lease !== undefined) break;
      }
    }
  } catch (error) {
    await release();
    throw error;
  }
  const get = (version: ModelVersion): LoadedModel | undefined => {
    const lease = models.get(keyOf(version))?.lease;
    return lease && { version, session: lease.session, bytes: lease.bytes };
  };
  const leaseOf = (version: ModelVersion): SessionLease => {
    const lease = models.get(keyOf(version))?.lease;
    if (lease === undefined) throw new Error(`${keyOf(version)} is not loaded`);
    return lease;
  };
  return {
    get,
    loaded(version) {
      const { session, bytes } = leaseOf(version);
      return { version, session, bytes };
    },
    mistakesOf: (version) => models.get(keyOf(version))?.mistakes ?? [],
    moveToThreads: async (version) => leaseOf(version).moveToThreads(),
    openBackground: async (version, onRestart) =>
      pool.openBackground(leaseOf(version).session.path, onRestart),
    once: async (version, name, find) => leaseOf(version).once(name, find),
    keep: (version, name, create) => leaseOf(version).keep(name, create),
    release,
  };
}

function keyOf({ model, version }: ModelVersion): string {
  return `${model}@${version}`;
}

async function openVersion(version: ModelVersion, pool: SessionPool): Promise<OpenedVersion> {
  try {
    const lease = await pool.take(version);
    return { lease, mistakes: version.isDescribed ? rowMistakes(version, lease.session) : [] };
  } catch (error) {
    // A thread that was lost, for one, says nothing about the model.
    if (!(error instanceof MillraceError) || error.code !== 'INVALID_MODEL') throw error;
    const mistakes = error.details?.map((detail) => detailMistake(version, detail));
    return { lease: undefined, mistakes: mistakes ?? [{ ...version.location, message: error.message }] };
  }
}

/** What the file held before, where it cannot be loaded any more; with what is wrong with it. */
async function openOrKeep(version: ModelVersion, pool: SessionPool): Promise<OpenedVersion> {
  const opened = await openVersion(version, pool);
  return opened.lease === undefined ? { ...opened, lease: pool.takeEarlier(version) } : opened;
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
