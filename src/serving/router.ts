/**
 * Which variant answers a request, by the rollout that is in effect at that moment. An endpoint with one variant has
 * nothing to choose. With several, the store is asked with each request whether a rollout has changed (below a
 * microsecond), so a rollback holds from the next request on, in every process.
 */
import type { Clock } from '../clock.ts';
import { MillraceError } from '../errors.ts';
import type { LoggedAssignment } from '../events/prediction-events.ts';
import { shortName } from '../project/problem-list.ts';
import type { Endpoint } from '../project/project.ts';
import { suggestName } from '../project/suggestion.ts';
import { createBotCheck } from '../rollouts/is-bot.ts';
import type { RolloutControl, RolloutInEffect } from '../rollouts/rollout-control.ts';
import type { RolloutStore } from '../rollouts/rollout-store.ts';
import { createSplit } from '../rollouts/split.ts';
import type { Choice, Random, Split } from '../rollouts/split.ts';
import type { RequestCondition } from '../transforms/compile.ts';
import type { Plan } from './plan.ts';
import type { PredictRequest } from './predict-request.ts';
import type { PredictionLog, UnitLog } from './prediction-log.ts';
import type { PredictionSink } from './prediction.ts';
import { plainRoute } from './route.ts';
import type { AnswerObserver, Route } from './route.ts';
import { compileWhen } from './compile-when.ts';

export interface Router {
  /**
   * A promise only where what a unit was given first has to be read.
   * @throws MillraceError UNKNOWN_VARIANT for one that was asked for
   */
  route(request: PredictRequest, sink: PredictionSink): Route | Promise<Route>;
}

export interface RouterParts {
  readonly plans: ReadonlyMap<string, Plan>;
  readonly control: RolloutControl;
  readonly store: RolloutStore | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly predictionLog: PredictionLog | undefined;
  /** Whoever looks at the answers of a variant while a rollout is in effect. */
  readonly observerOf: (inEffect: RolloutInEffect, variant: string) => AnswerObserver | undefined;
}

/** @throws Error without a variant */
export function createRouter(endpoint: Endpoint, parts: RouterParts): Router {
  const [only] = parts.plans.values();
  if (only === undefined) throw new Error(`endpoint ${endpoint.name} has no variant`);
  const { store } = parts;
  if (parts.plans.size > 1 && store !== undefined) return new RolloutRouter(endpoint, { ...parts, store });
  const route = plainRoute(only);
  return { route: () => route };
}

interface RolloutParts extends RouterParts {
  readonly store: RolloutStore;
}

/** What follows from one version of the rollout. */
interface Current {
  readonly revision: number;
  readonly inEffect: RolloutInEffect;
  readonly split: Split;
  readonly when: RequestCondition | undefined;
  /** By variant: the route of who is in no experiment. */
  readonly routes: ReadonlyMap<string, Route>;
}

class RolloutRouter implements Router {
  private readonly endpoint: Endpoint;
  private readonly parts: RolloutParts;
  private readonly unitLog: UnitLog | undefined;
  private readonly isBot = createBotCheck();
  private current: Current | undefined;

  constructor(endpoint: Endpoint, parts: RolloutParts) {
    this.endpoint = endpoint;
    this.parts = parts;
    this.unitLog = parts.predictionLog?.forUnits(endpoint);
  }

  route(request: PredictRequest, sink: PredictionSink): Route | Promise<Route> {
    const current = this.inEffect();
    const forced = sink.caller?.variant;
    if (forced !== undefined) return this.forcedRoute(current, forced, this.unitOf(request, sink), sink);
    const { split } = current;
    if (split.experiment === undefined) return this.routed(current, split.outside, undefined, sink);
    const unit = this.unitOf(request, sink);
    if (!isWanted(current, request, this.parts.clock.nowMs()))
      return this.routed(current, split.outside, unit, sink);
    if (split.stickyMs === undefined || unit === undefined)
      return this.routed(current, split.choose(unit, undefined), unit, sink);
    return this.stickyRoute(current, unit, sink);
  }

  private inEffect(): Current {
    const { control, store } = this.parts;
    const revision = store.revision();
    const { current } = this;
    if (current?.revision === revision) return current;
    const inEffect = control.inEffect(this.endpoint.name);
    this.current =
      current?.inEffect === inEffect ? { ...current, revision } : this.prepare(revision, inEffect);
    return this.current;
  }

  private prepare(revision: number, inEffect: RolloutInEffect): Current {
    const { rollout, record } = inEffect;
    const { plans, observerOf, random } = this.parts;
    const routes = [...plans].map(([variant, plan]): [string, Route] => [
      variant,
      { ...plainRoute(plan), observer: observerOf(inEffect, variant) },
    ]);
    const when = rollout.policy.kind === 'experiment' ? rollout.policy.when : undefined;
    return {
      revision,
      inEffect,
      split: createSplit(rollout, record, random),
      when: when && compileWhen(when, this.endpoint),
      routes: new Map(routes),
    };
  }

  private stickyRoute(current: Current, unit: string, sink: PredictionSink): Route | Promise<Route> {
    const { split } = current;
    const { store } = this.parts;
    const nowMs = this.parts.clock.nowMs();
    const key = {
      experiment: split.stickyName,
      unit: `${this.endpoint.unit?.name ?? ''}||${unit}`,
    };
    const take = (sticky: string | null): Route => {
      const choice = split.choose(unit, sticky ?? undefined);
      if (choice.assigned?.how === 'hash')
        store.keepSticky(key, choice.variant, nowMs + (split.stickyMs as number));
      return this.routed(current, choice, unit, sink);
    };
    const known = store.getSticky(key, nowMs);
    if (known !== undefined) return take(known);
    // While the store is away a unit gets what its hash says, which is what most were given first.
    return store
      .readSticky(key, nowMs)
      .then(take, () => this.routed(current, split.choose(unit, undefined), unit, sink));
  }

  /** All rows of a request have one unit, or it has none: one variant answers them all. */
  private unitOf({ rows }: PredictRequest, sink: PredictionSink): string | undefined {
    const { unit } = this.endpoint;
    if (unit === undefined) return undefined;
    if (unit.kind !== 'field') return sink.caller?.unit;
    const value = rows[0]?.[unit.index];
    if (value === undefined || value === null || value === '') return undefined;
    for (const row of rows) if (row[unit.index] !== value) return undefined;
    return String(value);
  }

  private forcedRoute(
    current: Current,
    variant: string,
    unit: string | undefined,
    sink: PredictionSink,
  ): Route {
    const experiment = current.split.experiment ?? this.endpoint.name;
    if (!current.routes.has(variant)) {
      const hint = suggestName(variant, current.routes.keys(), 'variants');
      const sentence = `The endpoint "${this.endpoint.name}" has no variant "${shortName(variant)}"; ${hint}`;
      throw new MillraceError('UNKNOWN_VARIANT', sentence);
    }
    return this.routed(
      current,
      { variant, assigned: { experiment, how: 'forced' }, propensity: 1 },
      unit,
      sink,
    );
  }

  private routed(
    current: Current,
    { variant, assigned, propensity }: Choice,
    unit: string | undefined,
    sink: PredictionSink,
  ): Route {
    const route = current.routes.get(variant) as Route;
    if (assigned === undefined) return route;
    const { requestId, caller } = sink;
    const kept = unit === undefined ? requestId : (this.unitLog?.protect(unit) ?? unit);
    const isBot = caller !== undefined && this.isBot(caller.userAgent);
    const { version } = current.inEffect.record;
    const assignment: LoggedAssignment = [assigned.experiment, version, kept, assigned.how, isBot];
    if (assigned.how === 'forced') return { ...route, assignment, propensity, observer: undefined };
    this.unitLog?.expose({ assignment, variant, propensity, requestId });
    return { plan: route.plan, observer: route.observer, assignment, propensity };
  }
}

function isWanted({ when }: Current, { rows, asOfMs }: PredictRequest, nowMs: number): boolean {
  return when === undefined || (rows[0] !== undefined && when(rows[0], asOfMs ?? nowMs));
}
