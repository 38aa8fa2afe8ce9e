/** The shadows of one endpoint: opened when a rollout first names them, closed when it does so no more. */
import type { RowSource } from '../features/online-store.ts';
import type { ModelRepository } from '../inference/model-repository.ts';
import type { Shadow } from '../project/rollout.ts';
import type { Log } from '../telemetry/log.ts';
import type { ServedVariant } from './compile-project.ts';
import type { Plan } from './plan.ts';
import { createShadowRunner } from './shadow.ts';
import type { ShadowRunner } from './shadow.ts';

/** A shadow while its model is loaded. */
export interface RunningShadow {
  readonly shadow: Shadow;
  readonly plan: Plan;
  /** Undefined while the model is being loaded, and if it could not be. */
  runner: ShadowRunner | undefined;
}

export interface ShadowSet {
  /** The shadows that are to run from now on. */
  use(shadows: readonly Shadow[]): readonly RunningShadow[];
  close(): Promise<void>;
}

export interface ShadowSetParts {
  /** All variants of the endpoint. */
  readonly variants: readonly ServedVariant[];
  readonly plans: ReadonlyMap<string, Plan>;
  readonly repository: ModelRepository;
  readonly source: RowSource;
  readonly log: Log;
}

interface Opened {
  readonly runner: Promise<ShadowRunner | undefined>;
}

export function createShadowSet(parts: ShadowSetParts): ShadowSet {
  const opened = new Map<string, Opened>();
  const closing = new Set<Promise<void>>();

  function open(variant: string, field: string | undefined): Opened {
    const known = opened.get(variant);
    if (known !== undefined) return known;
    const runner = openRunner(parts, variant, field).catch((error: unknown) => {
      parts.log.error({ variant, err: error }, 'the model of a shadow could not be loaded; it does not run');
      return undefined;
    });
    const made = { runner };
    opened.set(variant, made);
    return made;
  }

  function close(variant: string, { runner }: Opened): void {
    opened.delete(variant);
    const closed = runner.then(async (running) => running?.close()).finally(() => closing.delete(closed));
    closing.add(closed);
  }

  return {
    use(shadows) {
      for (const [variant, each] of opened)
        if (!shadows.some((shadow) => shadow.variant === variant)) close(variant, each);
      return shadows.map((shadow) => {
        const plan = parts.plans.get(shadow.variant) as Plan;
        const running: RunningShadow = { shadow, plan, runner: undefined };
        void open(shadow.variant, shadow.output).runner.then((runner) => (running.runner = runner));
        return running;
      });
    },
    async close() {
      for (const [variant, each] of opened) close(variant, each);
      await Promise.all(closing);
    },
  };
}

async function openRunner(
  { variants, plans, repository, source }: ShadowSetParts,
  name: string,
  output: string | undefined,
): Promise<ShadowRunner | undefined> {
  const served = variants.find(({ variant }) => variant.name === name);
  const plan = plans.get(name);
  const field = plan?.answer.find((each) => output === undefined || each.name === output);
  if (served === undefined || plan === undefined || field === undefined)
    throw new Error(`${name} does not answer ${output}`);
  const { version } = served.loaded;
  const { outputWidthsMin, transforms } = served.compiled;
  const session = await repository.openBackground(version);
  return createShadowRunner({
    plan,
    field,
    version,
    session,
    widths: transforms.widths,
    outputWidthsMin,
    source,
  });
}
