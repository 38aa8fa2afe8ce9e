/** `millrace experiment power`: how many units an experiment needs, before it starts. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { smallestToFind, unitsToFind } from '../../experiments/power.ts';
import type { PowerQuestion } from '../../experiments/power.ts';
import { jsonText } from '../../project/json-text.ts';
import type { JsonObject } from '../../project/json-text.ts';
import { countArgument } from '../count-argument.ts';
import { formatTable } from '../table.ts';
import type { Cell } from '../table.ts';
import { formatCount, formatPercent, formatSigned, formatSignedPercent } from './figures.ts';

interface Lift {
  readonly value: number;
  readonly isPercent: boolean;
}

interface PowerOptions {
  readonly baseline: number;
  readonly lift?: Lift;
  readonly metric: 'proportion' | 'mean';
  readonly sd?: number;
  readonly arms: number;
  readonly share?: number;
  readonly alpha: number;
  readonly power: number;
  readonly units?: number;
  readonly unitsPerDay?: number;
  readonly json?: true;
}

const EXIT_USAGE = 2;
const PERCENT = 100;
const LIFT_FACTORS = [0.5, 0.75, 1, 1.5, 2, 3];
const DAYS = [7, 14, 21, 28, 42, 56];
const ARMS_MAX = 100;

export function powerCommand(): Command {
  return new Command('power')
    .description('How many units an experiment needs to find an effect, or which effect so many units find.')
    .requiredOption('--baseline <number>', 'the metric as it is: 0.1 for 10 % of the units', numberArgument)
    .option(
      '--lift <change>',
      'the effect to find: 5% of the baseline, or a difference such as 0.005',
      liftArgument,
    )
    .addOption(
      new Option('--metric <kind>', 'a share of units, or a mean')
        .choices(['proportion', 'mean'])
        .default('proportion'),
    )
    .option('--sd <number>', 'the standard deviation of a unit, for a mean', numberArgument)
    .option('--arms <count>', 'how many arms there are, with the control', countArgument, 2)
    .option(
      '--share <percent>',
      'the share of all units that the smallest arm gets (default: 100 by arms)',
      numberArgument,
    )
    .option(
      '--alpha <number>',
      'how often a difference may be claimed where there is none',
      numberArgument,
      0.05,
    )
    .option('--power <number>', 'how likely the effect is to be found if it is there', numberArgument, 0.8)
    .option(
      '--units <count>',
      'all units that there are: tells the smallest effect that they find',
      countArgument,
    )
    .option('--units-per-day <count>', 'new units a day: tells how many days it takes', countArgument)
    .option('--json', 'print the result as JSON')
    .action(printPower);
}

function printPower(options: PowerOptions, command: Command): void {
  const problem = problemOf(options);
  if (problem !== undefined) command.error(`error: ${problem}`, { exitCode: EXIT_USAGE });
  const plan = planOf(options);
  process.stdout.write(options.json === true ? `${jsonText(planJson(plan))}\n` : planText(plan));
}

function problemOf({
  baseline,
  lift,
  metric,
  sd,
  arms,
  share,
  alpha,
  power,
  units,
}: PowerOptions): string | undefined {
  const difference = lift === undefined ? undefined : differenceOf(lift, baseline);
  if (lift === undefined && units === undefined) return 'give --lift, --units, or both';
  if (difference === 0) return '--lift must not be 0';
  if (metric === 'mean' && !(sd !== undefined && sd > 0)) return 'a mean needs --sd, above 0';
  if (metric === 'proportion' && sd !== undefined) return '--sd is for --metric mean';
  if (metric === 'proportion' && !(baseline > 0 && baseline < 1))
    return '--baseline must lie between 0 and 1; for a mean, give --metric mean --sd S';
  if (
    metric === 'proportion' &&
    difference !== undefined &&
    !(baseline + difference > 0 && baseline + difference < 1)
  )
    return '--baseline with --lift must lie between 0 and 1';
  if (arms < 2 || arms > ARMS_MAX) return `--arms must be from 2 to ${ARMS_MAX}`;
  if (share !== undefined && !(share > 0 && share <= PERCENT / 2))
    return '--share must be above 0, and at most 50';
  if (!(alpha > 0 && alpha <= 0.5)) return '--alpha must be above 0, and at most 0.5';
  return power > alpha && power < 1 ? undefined : '--power must lie between --alpha and 1';
}

function differenceOf({ value, isPercent }: Lift, baseline: number): number {
  return isPercent ? (Math.abs(baseline) * value) / PERCENT : value;
}

interface EffectPlan {
  readonly difference: number;
  readonly oneLook: number;
  readonly alwaysValid: number;
}

interface PowerPlan {
  readonly question: PowerQuestion;
  readonly share: number;
  readonly unitsPerDay: number | undefined;
  readonly asked: EffectPlan | undefined;
  /** Other effects, the smallest first. */
  readonly alternatives: readonly EffectPlan[];
  readonly found: { readonly units: number; readonly difference: number } | undefined;
  readonly byDays: readonly { readonly days: number; readonly difference: number }[];
}

function planOf(options: PowerOptions): PowerPlan {
  const { baseline, lift, metric, sd, arms, alpha, power, units, unitsPerDay } = options;
  const share = (options.share ?? PERCENT / arms) / PERCENT;
  const standardDeviation = metric === 'mean' ? sd : undefined;
  const question: PowerQuestion = { standardDeviation, baseline, arms, alpha, power };
  const effect = (difference: number): EffectPlan => ({ difference, ...unitsToFind(question, difference) });
  const asked = lift === undefined ? undefined : differenceOf(lift, baseline);
  const isPossible = (difference: number): boolean =>
    metric === 'mean' || (baseline + difference > 0 && baseline + difference < 1);
  const others = asked === undefined ? [] : LIFT_FACTORS.map((factor) => factor * asked).filter(isPossible);
  return {
    question,
    share,
    unitsPerDay,
    asked: asked === undefined ? undefined : effect(asked),
    alternatives: others.map(effect),
    found: units === undefined ? undefined : { units, difference: smallestToFind(question, units * share) },
    byDays:
      unitsPerDay === undefined
        ? []
        : DAYS.map((days) => ({ days, difference: smallestToFind(question, days * unitsPerDay * share) })),
  };
}

function daysOf(units: number, { unitsPerDay, share }: PowerPlan): number | undefined {
  return unitsPerDay === undefined ? undefined : Math.ceil(units / (unitsPerDay * share));
}

function relativeOf(difference: number, { question }: PowerPlan): number | undefined {
  return question.baseline === 0 ? undefined : difference / Math.abs(question.baseline);
}

function planText(plan: PowerPlan): string {
  const { asked, found, byDays, question } = plan;
  const { power, alpha, arms, baseline } = question;
  const rates = `found with a chance of ${formatPercent(power)}, claimed where there is none with one of ${formatPercent(alpha)}`;
  const lines = [`baseline ${baseline}, ${arms} arms; an effect is ${rates}\n`];
  if (asked !== undefined) {
    const days = daysOf(asked.oneLook, plan);
    const duration = days === undefined ? '' : `, ${formatCount(days)} days`;
    lines.push(
      `\nTo find ${effectText(asked.difference, plan)}: ${formatCount(asked.oneLook)} units in each arm, for one look at the end${duration}.\n`,
      'To look at any time it takes as many as in the column "any time".\n',
      formatTable(effectRows(plan), '  '),
    );
  }
  if (found !== undefined) {
    const of = `${formatCount(found.units)} units, ${formatCount(found.units * plan.share)} of them in the smallest arm`;
    lines.push(`\n${of}, find ${effectText(found.difference, plan)} at one look.\n`);
  }
  if (byDays.length > 0) {
    const rows = byDays.map(({ days, difference }): Cell[] => [days, ...differenceCells(difference, plan)]);
    lines.push('\nThe smallest effect that is found at one look after so many days\n');
    lines.push(formatTable([['days', 'effect', 'difference'], ...rows], '  '));
  }
  return lines.join('');
}

function effectText(difference: number, plan: PowerPlan): string {
  if (Number.isNaN(difference)) return 'no rise at all';
  const [percent, text] = differenceCells(difference, plan);
  return percent === '-' ? `a difference of ${text}` : `an effect of ${percent} (${text})`;
}

function differenceCells(difference: number, plan: PowerPlan): [string, string] {
  return [formatSignedPercent(relativeOf(difference, plan)), formatSigned(difference)];
}

function effectRows(plan: PowerPlan): Cell[][] {
  const hasDays = plan.unitsPerDay !== undefined;
  const head = [
    'effect',
    'difference',
    'units an arm',
    ...(hasDays ? ['days'] : []),
    'any time',
    ...(hasDays ? ['days'] : []),
  ];
  const rows = plan.alternatives.map(({ difference, oneLook, alwaysValid }): Cell[] => [
    ...differenceCells(difference, plan),
    ...[oneLook, alwaysValid].flatMap((units) => {
      const days = daysOf(units, plan);
      return [formatCount(units), ...(days === undefined ? [] : [formatCount(days)])];
    }),
  ]);
  return [head, ...rows];
}

function planJson(plan: PowerPlan): JsonObject {
  const { question, share, unitsPerDay, asked, alternatives, found, byDays } = plan;
  const effectJson = ({ difference, oneLook, alwaysValid }: EffectPlan): JsonObject => ({
    difference,
    relative: relativeOf(difference, plan) ?? null,
    units_per_arm: oneLook,
    days: daysOf(oneLook, plan) ?? null,
    units_per_arm_always_valid: alwaysValid,
    days_always_valid: daysOf(alwaysValid, plan) ?? null,
  });
  return {
    baseline: question.baseline,
    standard_deviation: question.standardDeviation ?? null,
    arms: question.arms,
    smallest_share: share,
    alpha: question.alpha,
    power: question.power,
    units_per_day: unitsPerDay ?? null,
    effect: asked === undefined ? null : effectJson(asked),
    alternatives: alternatives.map(effectJson),
    smallest_found:
      found === undefined
        ? null
        : {
            units: found.units,
            difference: found.difference,
            relative: relativeOf(found.difference, plan) ?? null,
          },
    smallest_found_by_days: byDays.map(({ days, difference }) => ({
      days,
      difference,
      relative: relativeOf(difference, plan) ?? null,
    })),
  };
}

function numberArgument(text: string): number {
  if (/^-?\d+(\.\d+)?(e-?\d+)?$/i.test(text)) return Number(text);
  throw new InvalidArgumentError('Write a number, such as 0.1.');
}

function liftArgument(text: string): Lift {
  const isPercent = text.endsWith('%');
  const number = isPercent ? text.slice(0, -1).trim() : text;
  if (/^[+-]?\d+(\.\d+)?$/.test(number)) return { value: Number(number), isPercent };
  throw new InvalidArgumentError('Write 5% of the baseline, or a difference such as 0.005.');
}
