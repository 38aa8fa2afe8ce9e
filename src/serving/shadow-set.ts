/**
 * The shadows of one endpoint: opened when a rollout first names them, closed when it does so no more. A variant has one
 * thread at most, however often it comes and goes: it is opened anew only when its thread before has ended.
 */
import type { RowSource } from '../features/online-store.ts';
import type { ModelRepository } from '../inference/model-repository.ts';
import type { Shadow } from '../project/rollout.ts';
import type { Log } from '../telemetry/log.ts';
import type { ServedVariant } from './compile-project.ts';
import type { Plan } from './plan.ts';
import { createShadowRunner } from './shadow.ts';
import type { ShadowRunner } from './shadow.ts';
import type { ShadowTurns } from './shadow-turns.ts';

export interface RunningShadow {
  readonly shadow: Shadow;
  readonly plan: Plan;
  /** Undefined while the model is being loaded; broken if it could not be. */
  runner: ShadowRunner | 'broken' | undefined;
}

export interface ShadowSet {
  /** The shadows that are to run from now on. What could not be loaded before is tried again. */
  use(shadows: readonly Shadow[]): readonly RunningShadow[];
  /** Nothing runs any more from now on. */
  close(): void;
  /** Resolves when all threads that were closed have ended: never, if a model hangs. */
  ended(): Promise<void>;
}

export interface ShadowSetParts {
  /** All variants of the endpoint. */
  readonly variants: readonly ServedVariant[];
  readonly plans: ReadonlyMap<string, Plan>;
  readonly repository: ModelRepository;
  readonly source: RowSource;
  readonly turns: ShadowTurns;
  /** Whether rows of callers wait for a model. */
  readonly isBusy: () => boolean;
  readonly log: Log;
}

interface Opened {
  readonly runner: Promise<ShadowRunner | 'broken' | undefined>;
  isDropped: boolean;
}

/** A run may be slow; one that takes longer does not end by itself. */
const END_MS_MAX = 60_000;

export function createShadowSet(parts: ShadowSetParts): ShadowSet {
  return new OneThreadEach(parts);
}

class OneThreadEach implements ShadowSet {
  private readonly parts: ShadowSetParts;
  private readonly opened = new Map<string, Opened>();
  /** By variant: the end of the thread that it had last. */
  private readonly ending = new Map<string, Promise<void>>();
  private isClosed = false;

  constructor(parts: ShadowSetParts) {
    this.parts = parts;
  }

  use(shadows: readonly Shadow[]): readonly RunningShadow[] {
    for (const [variant, each] of this.opened)
      if (!shadows.some((shadow) => shadow.variant === variant)) this.drop(variant, each);
    return shadows.map((shadow) => {
      const plan = this.parts.plans.get(shadow.variant) as Plan;
      const running: RunningShadow = { shadow, plan, runner: undefined };
      if (!this.isClosed) void this.open(shadow.variant).runner.then((runner) => (running.runner = runner));
      return running;
    });
  }

  close(): void {
    this.isClosed = true;
    for (const [variant, each] of this.opened) this.drop(variant, each);
  }

  async ended(): Promise<void> {
    await Promise.all(this.ending.values());
  }

  private open(variant: string): Opened {
    const known = this.opened.get(variant);
    if (known !== undefined) return known;
    const made: Opened = {
      runner: this.openAfter(this.ending.get(variant), variant, () => made),
      isDropped: false,
    };
    this.opened.set(variant, made);
    return made;
  }

  private async openAfter(
    before: Promise<void> | undefined,
    variant: string,
    made: () => Opened,
  ): ReturnType<typeof openRunner> {
    await before;
    if (made().isDropped) return undefined;
    try {
      return await openRunner(this.parts, variant);
    } catch (error) {
      this.parts.log.error({ variant, err: error }, 'a shadow could not be started; it does not run');
      if (this.opened.get(variant) === made()) this.opened.delete(variant);
      return 'broken';
    }
  }

  private drop(variant: string, dropped: Opened): void {
    this.opened.delete(variant);
    const each = dropped;
    each.isDropped = true;
    const ended = this.end(variant, dropped).finally(() => {
      if (this.ending.get(variant) === ended) this.ending.delete(variant);
    });
    this.ending.set(variant, ended);
  }

  private async end(variant: string, { runner }: Opened): Promise<void> {
    const { log } = this.parts;
    const warn = (): void =>
      log.warn(
        { variant },
        'the run of a shadow does not end; the variant cannot be a shadow before it does',
      );
    const timer = setTimeout(warn, END_MS_MAX).unref();
    try {
      const running = await runner;
      if (typeof running === 'object') await running.close();
    } catch (error) {
      log.error({ variant, err: error }, 'a shadow could not be closed');
    } finally {
      clearTimeout(timer);
    }
  }
}

async function openRunner(
  { variants, plans, repository, source, turns, isBusy, log }: ShadowSetParts,
  name: string,
): Promise<ShadowRunner | 'broken' | undefined> {
  const served = variants.find(({ variant }) => variant.name === name);
  const plan = plans.get(name);
  if (served === undefined || plan === undefined) throw new Error(`there is no variant ${name}`);
  const { version } = served.loaded;
  const { outputWidthsMin, transforms } = served.compiled;
  const { widths } = transforms;
  const session = await repository.openBackground(version, (reason, delayMs) =>
    log.error({ variant: name, reason, delay_ms: delayMs }, 'the thread of a shadow ended; starting another'),
  );
  try {
    return createShadowRunner({ plan, version, session, widths, outputWidthsMin, source, turns, isBusy });
  } catch (error) {
    // The file was replaced since the server started, and what is in it now does not fit.
    await session.release();
    throw error;
  }
}
