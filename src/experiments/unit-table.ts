/**
 * The units of an experiment: which variant each was given first, and what its metrics add up to. Exposures come first,
 * all of them; then `settle`; then what happened to the units.
 *
 * Cost: memory for each unit that was exposed, and none for predictions or events. A unit of three metrics takes about
 * 0.4 KB with its name (measured with a million of them), so a million units are 0.4 GB.
 *
 * A unit is judged by what it was given first, whatever it is given later (intention to treat): who is moved when shares
 * change comes from the arm that shrinks, so to leave these units out would choose among the units of that arm. A bandit changes shares all the time: there a
 * unit counts in each arm that it was given, by itself.
 */
import type { Exposure } from '../events/joined-predictions.ts';
import type { AssignmentHow } from '../project/rollout.ts';
import type { ExperimentDefinition } from './definition.ts';
import { createRecordedShares } from './recorded-shares.ts';
import type { RecordedShare } from './recorded-shares.ts';

/** Which exposures are looked at. */
export interface ExposureFilter {
  /** Units whose first exposure is before are left out. */
  readonly fromMs: number;
  /** What happens at this time or later is not seen. */
  readonly toMs: number;
  /** Versions of the rollout; undefined = all. */
  readonly versions: ReadonlySet<number> | undefined;
  readonly withBots: boolean;
}

interface Unit {
  /** Position among the arms; one more than the last = holdout; -1 = a variant that is no arm now. */
  arm: number;
  firstMs: number;
  version: number;
  propensity: number;
  how: AssignmentHow;
  isBot: boolean;
  /** It was seen in another arm later; it stays in its first. */
  isCrossed: boolean;
  /** A tester gave it another arm than the split did: left out. */
  isForcedAway: boolean;
  predictions: number;
  withOutcome: number;
  /** By metric, VALUES of each. */
  values: number[] | undefined;
}

export type ExposedUnit = Readonly<Omit<Unit, 'values'>> & { readonly values: readonly number[] | undefined };

/** What is kept of a metric for a unit: what it adds up to, and over how much, since and before the first exposure. */
export const SUM = 0;
export const WEIGHT = 1;
export const PRE_SUM = 2;
export const PRE_WEIGHT = 3;
/** Values since the first exposure, without weights. */
export const COUNT = 4;
const VALUES = 5;

export interface UnitTable {
  readonly armCount: number;
  expose(exposure: Exposure): void;
  /** After the last exposure. */
  settle(): void;
  /** Of a unit as its assignment names it, in an arm. */
  find(unit: string, variant: string): ExposedUnit | undefined;
  /** In the arm that it was given first. */
  findFirst(unit: string): ExposedUnit | undefined;
  /** It was seen with another variant than its own. */
  cross(unit: ExposedUnit): void;
  addPrediction(unit: ExposedUnit, hasOutcome: boolean): void;
  /** @param part SUM, WEIGHT, PRE_SUM, PRE_WEIGHT or COUNT */
  add(unit: ExposedUnit, metric: number, part: number, amount: number): void;
  raiseToOne(unit: ExposedUnit, metric: number, part: number): void;
  /** Of a bandit, one for each arm that a unit was given. */
  all(): Iterable<ExposedUnit>;
  /** One for each unit, in the arm that it was given first. */
  firsts(): Iterable<ExposedUnit>;
  /** As `firsts`. */
  entries(): Iterable<readonly [name: string, unit: ExposedUnit]>;
  /** Whether it is in the metrics: in an arm, not by a tester's wish, and no bot that is left out. */
  isCounted(unit: ExposedUnit): boolean;
  isLeftOutBot(unit: ExposedUnit): boolean;
  /** Units that a tester gave a variant. */
  forcedUnits(): number;
  /** What was recorded with exposures that were drawn, by version and arm. */
  recordedShares(version: number): readonly RecordedShare[];
}

export function valueOf({ values }: ExposedUnit, metric: number, part: number): number {
  return values?.[VALUES * metric + part] ?? 0;
}

/** A draw under the shares of its version; a sticky unit was drawn under an earlier one. */
export function isDrawn(how: AssignmentHow): boolean {
  return how === 'hash' || how === 'random';
}

/** Whoever reads a unit may not write to it; its table does. */
const own = (unit: ExposedUnit): Unit => unit as Unit;

const nothing = { isCrossed: false, isForcedAway: false, predictions: 0, withOutcome: 0, values: undefined };

export function createUnitTable(definition: ExperimentDefinition, filter: ExposureFilter): UnitTable {
  const exposed = createExposedUnits(definition, filter);
  const { arms, units, firstOf } = exposed;
  const valuesOf = (unit: ExposedUnit): number[] =>
    (own(unit).values ??= Array.from({ length: VALUES * definition.metrics.length }, () => 0));
  const isLeftOutBot = ({ isBot }: ExposedUnit): boolean => isBot && !filter.withBots;
  return {
    armCount: arms.length,
    expose: exposed.expose,
    settle: exposed.settle,
    find: (unit, variant) => units.get(exposed.keyOf(unit, variant)),
    findFirst: (unit) => firstOf.get(unit),
    cross: (unit) => void (own(unit).isCrossed = true),
    addPrediction(unit, hasOutcome) {
      own(unit).predictions++;
      if (hasOutcome) own(unit).withOutcome++;
    },
    add: (unit, metric, part, amount) => void ((valuesOf(unit)[VALUES * metric + part] as number) += amount),
    raiseToOne: (unit, metric, part) => void (valuesOf(unit)[VALUES * metric + part] = 1),
    all: () => units.values(),
    firsts: () => firstOf.values(),
    entries: () => firstOf.entries(),
    isCounted: (unit) => unit.arm >= 0 && unit.arm < arms.length && !unit.isForcedAway && !isLeftOutBot(unit),
    isLeftOutBot,
    forcedUnits: exposed.forcedUnits,
    recordedShares: exposed.recordedShares,
  };
}

interface ExposedUnits {
  readonly arms: readonly string[];
  readonly units: Map<string, Unit>;
  /** By unit, the one of the arm that it was given first. The same map, unless this is a bandit. */
  readonly firstOf: Map<string, Unit>;
  readonly keyOf: (unit: string, variant: string) => string;
  readonly expose: (exposure: Exposure) => void;
  readonly settle: () => void;
  readonly forcedUnits: () => number;
  readonly recordedShares: (version: number) => readonly RecordedShare[];
}

function createExposedUnits(definition: ExperimentDefinition, filter: ExposureFilter): ExposedUnits {
  const arms = definition.arms.map(({ variant }) => variant);
  const isBandit = definition.kind === 'bandit';
  const units = new Map<string, Unit>();
  const firstOf = isBandit ? new Map<string, Unit>() : units;
  const forced = new Map<string, string>();
  const shares = createRecordedShares(arms.length);
  const keyOf = (unit: string, variant: string): string => (isBandit ? `${variant}\n${unit}` : unit);

  function isWanted({ timeMs, policyVersion }: Exposure): boolean {
    return timeMs < filter.toMs && (filter.versions?.has(policyVersion) ?? true);
  }

  function expose(exposure: Exposure): void {
    const { unit: name, variant, timeMs, policyVersion: version, propensity, how, isBot } = exposure;
    if (!isWanted(exposure)) return;
    if (how === 'forced') {
      forced.set(name, variant);
      return;
    }
    const arm = how === 'holdout' ? arms.length : arms.indexOf(variant);
    if (isDrawn(how)) shares.note(exposure, arm);
    const key = keyOf(name, variant);
    let unit = units.get(key);
    if (unit === undefined) {
      unit = { arm, firstMs: Infinity, version, propensity, how, isBot, ...nothing };
      units.set(key, unit);
    }
    unit.isBot ||= isBot;
    unit.isCrossed ||= unit.arm !== arm;
    if (timeMs < unit.firstMs) Object.assign(unit, { arm, firstMs: timeMs, version, propensity, how });
    if (isBandit && !(timeMs >= (firstOf.get(name)?.firstMs ?? Infinity))) firstOf.set(name, unit);
  }

  function settle(): void {
    for (const [name, variant] of isBandit ? [] : forced) {
      const unit = units.get(name);
      if (unit !== undefined && arms[unit.arm] !== variant) unit.isForcedAway = true;
    }
    for (const of of new Set([units, firstOf]))
      for (const [name, { firstMs }] of of) if (firstMs < filter.fromMs) of.delete(name);
  }

  const forcedUnits = (): number => forced.size;
  return { arms, units, firstOf, keyOf, expose, settle, forcedUnits, recordedShares: shares.of };
}
