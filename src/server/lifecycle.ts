/**
 * From one definition of the project to the next, while requests come in. The next one is read, checked, loaded and
 * warmed up beside the one that answers. Then, between two requests, it takes over; the one before is let go when its
 * last request is answered. What has a mistake never gets that far: what is served is served on.
 *
 * Changes are made one after the other.
 */
import { sep, join } from 'node:path';
import { MillraceError } from '../errors.ts';
import { createSessionPool } from '../inference/session-pool.ts';
import type { SessionPool } from '../inference/session-pool.ts';
import type { Project } from '../project/project.ts';
import { servableProject } from '../project/servable-project.ts';
import { shortName } from '../project/problem-list.ts';
import { readProject } from '../project/read-project.ts';
import type { ReadProject } from '../project/read-project.ts';
import { invalidProject } from '../project/report.ts';
import { strayModelOf, strayModels } from '../project/stray-models.ts';
import { suggestName } from '../project/suggestion.ts';
import { createRolloutMemoryHolder } from '../serving/rollout-memory.ts';
import type { DataPlace } from './data-parts.ts';
import { openDefinition } from './definition.ts';
import type { Definition } from './definition.ts';
import type { Generation } from './generation.ts';
import { within } from './within.ts';
import { threadPlanOf } from '../serving/thread-plan.ts';

/** `models` looks at the model folders again. */
export type Change =
  | { readonly kind: 'reload' }
  | { readonly kind: 'models' }
  | { readonly kind: 'load'; readonly model: string }
  | { readonly kind: 'unload'; readonly model: string };

export interface Lifecycle {
  /** Models that were unloaded, and are not loaded until somebody asks for it. */
  readonly unloaded: ReadonlySet<string>;
  /** The first definition. @throws as `openDefinition` */
  start(project: Project): Promise<Definition>;
  /**
   * Resolves when the next definition answers. The one before is let go when its last request is answered.
   * @throws MillraceError CHANGE_REFUSED, UNKNOWN_MODEL, MODEL_IN_USE
   */
  change(change: Change): Promise<void>;
  /** Waits for the change that is under way, and closes all but what hangs. No more requests may come. */
  close(): Promise<void>;
}

export interface LifecycleParts {
  readonly place: DataPlace;
  /** Models that are not loaded at first. */
  readonly unloaded: Iterable<string>;
  /** Lets a definition answer from now on; gives the requests of the one before. */
  readonly publish: (definition: Definition) => Generation;
}

export function createLifecycle(parts: LifecycleParts): Lifecycle {
  return new SwappingLifecycle(parts);
}

class SwappingLifecycle implements Lifecycle {
  private hidden: ReadonlySet<string>;
  private readonly parts: LifecycleParts;
  private readonly pool: SessionPool;
  private readonly rolloutMemory = createRolloutMemoryHolder();
  private current: Definition | undefined;
  /** What was told of model files that are not served. */
  private stray: ReadonlySet<string> = new Set();
  private last: Promise<unknown> = Promise.resolve();
  /** The end of all definitions that were replaced. */
  private retiring: Promise<void> = Promise.resolve();
  private isClosed = false;

  constructor(parts: LifecycleParts) {
    this.parts = parts;
    this.hidden = new Set(parts.unloaded);
    this.pool = createSessionPool((version) => threadPlanOf(version, parts.place));
  }

  get unloaded(): ReadonlySet<string> {
    return this.hidden;
  }

  async start(project: Project): Promise<Definition> {
    const visible = withoutModels(project, this.hidden);
    this.current = await this.open(visible, this.hidden, undefined);
    await this.tellStray(this.current);
    return this.current;
  }

  async change(change: Change): Promise<void> {
    const made = this.last.then(async () => this.make(change));
    this.last = made.catch(() => undefined);
    return made;
  }

  async close(): Promise<void> {
    this.isClosed = true;
    await this.last;
    await this.retiring;
    const { current } = this;
    this.current = undefined;
    await current?.serving.close();
    await current?.data.close();
  }

  private async make(change: Change): Promise<void> {
    const { current } = this;
    if (this.isClosed || current === undefined)
      throw new MillraceError('NOT_READY', 'The server is stopping.');
    const { project: before } = current;
    const { kind } = change;
    const file = kind === 'reload' ? undefined : before.file;
    const hidden = hiddenAfter(change, this.hidden);
    if (kind === 'unload') refuseUnload(change.model, before, this.hidden);
    const read = await readProject(before.dir, { file });
    if (kind === 'load' && !read.project.models.has(change.model)) throw await cannotLoad(change.model, read);
    const loading = kind === 'load' ? change.model : undefined;
    const project = withoutModels(servable(read, kind === 'reload'), hidden);
    // Definitions that are let go hold memory; a run that never ends must not hold up all changes.
    await within(before.limits.timeoutMs, this.retiring);
    await this.replace(current, project, { hidden, loading });
  }

  private async replace(
    before: Definition,
    project: Project,
    { hidden, loading }: { hidden: ReadonlySet<string>; loading: string | undefined },
  ): Promise<void> {
    let next: Definition;
    try {
      next = await this.open(project, hidden, before);
      await requireLoaded(loading, next, before);
    } catch (error) {
      throw error instanceof MillraceError ? refused(error) : error;
    }
    if (this.isClosed) {
      await closeBeside(next, before);
      throw new MillraceError('NOT_READY', 'The server is stopping.');
    }
    this.current = next;
    this.hidden = hidden;
    const requests = this.parts.publish(next);
    const earlier = this.retiring;
    this.retiring = Promise.all([earlier, this.retire(before, next, requests)]).then(() => undefined);
    await this.tellStray(next);
  }

  /** Once for each, and again where a file was mended and is misplaced anew. */
  private async tellStray({ project }: Definition): Promise<void> {
    const told = this.stray;
    this.stray = new Set(await strayModels(project));
    for (const sentence of this.stray) if (!told.has(sentence)) this.parts.place.log.warn({}, sentence);
  }

  private async retire(before: Definition, next: Definition, requests: Generation): Promise<void> {
    try {
      await requests.whenIdle();
      await closeBeside(before, next);
    } catch (error) {
      this.parts.place.log.error(
        { err: error },
        'a definition of the project that was replaced could not be closed',
      );
    }
  }

  private async open(
    project: Project,
    hidden: ReadonlySet<string>,
    before: Definition | undefined,
  ): Promise<Definition> {
    return openDefinition(project, {
      place: this.parts.place,
      pool: this.pool,
      rolloutMemory: this.rolloutMemory,
      before,
      resolve: async (isEligible) =>
        withoutModels(
          servable(await readProject(project.dir, { file: project.file, isEligible }), false),
          hidden,
        ),
    });
  }
}

function hiddenAfter(change: Change, hidden: ReadonlySet<string>): ReadonlySet<string> {
  if (change.kind === 'load') return new Set([...hidden].filter((name) => name !== change.model));
  return change.kind === 'unload' ? new Set([...hidden, change.model]) : hidden;
}

/** Endpoints need their models, whatever was unloaded before they did. */
function withoutModels(project: Project, hidden: ReadonlySet<string>): Project {
  if (hidden.size === 0) return project;
  const used = usedModels(project);
  const models = new Map([...project.models].filter(([name]) => used.has(name) || !hidden.has(name)));
  return Object.freeze({ ...project, models });
}

function usedModels({ endpoints }: Project): ReadonlySet<string> {
  return new Set([...endpoints.values()].flatMap(({ variants }) => variants.map(({ model }) => model.model)));
}

function refuseUnload(model: string, project: Project, hidden: ReadonlySet<string>): void {
  if (!project.models.has(model)) {
    if (hidden.has(model)) return;
    throw unknownModel(model, project);
  }
  const users = [...project.endpoints.values()]
    .filter(({ variants }) => variants.some((variant) => variant.model.model === model))
    .map(({ name }) => name);
  if (users.length === 0) return;
  const sentence = `The model "${model}" answers the endpoint ${users.join(', ')}: take it out of the project file first.`;
  throw new MillraceError('MODEL_IN_USE', sentence);
}

function unknownModel(model: string, { models }: Project, reason?: string): MillraceError {
  const hint = reason ?? suggestName(model, models.keys(), 'models');
  return new MillraceError('UNKNOWN_MODEL', `There is no model "${shortName(model)}"; ${hint}`);
}

async function cannotLoad(model: string, { project, mistakes }: ReadProject): Promise<MillraceError> {
  const own = mistakes.filter((mistake) => mistake.file.startsWith(join(project.dir, model) + sep));
  if (own.length > 0) return refused(invalidProject(own));
  const stray = strayModelOf(model, project.dir, await strayModels(project));
  return unknownModel(model, project, stray);
}

/** What is asked for answers, or nothing is changed; other models that cannot be loaded are only left out. */
async function requireLoaded(model: string | undefined, next: Definition, before: Definition): Promise<void> {
  const found = model === undefined ? undefined : next.serving.models.get(model);
  if (found?.state !== 'unavailable') return;
  await closeBeside(next, before);
  throw new MillraceError('MODEL_UNAVAILABLE', found.reason);
}

/** Closes one of two definitions that may have their data in common. */
async function closeBeside(closed: Definition, other: Definition): Promise<void> {
  await closed.serving.close();
  if (closed.data !== other.data) await closed.data.close();
}

/** @param isStrict whether any mistake refuses all */
function servable(read: ReadProject, isStrict: boolean): Project {
  try {
    if (isStrict && read.mistakes.length > 0) throw invalidProject(read.mistakes);
    return servableProject(read);
  } catch (error) {
    throw error instanceof MillraceError ? refused(error) : error;
  }
}

function refused(cause: MillraceError): MillraceError {
  const sentence = `Nothing was changed, and what was served is served on. ${cause.message}`;
  return new MillraceError('CHANGE_REFUSED', sentence, { cause, details: cause.details });
}
