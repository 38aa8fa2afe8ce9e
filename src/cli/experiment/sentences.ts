/** What a report says in words, for the terminal and for the page. */
import type { ExperimentReport, MetricReport } from '../../experiments/report.ts';
import type { JudgedContrast } from '../../experiments/conclude.ts';
import { MISMATCH_P } from '../../experiments/sample-ratio.ts';
import { counted } from '../counted.ts';
import {
  formatBounds,
  formatCount,
  formatP,
  formatPercent,
  formatSigned,
  formatSignedPercent,
  formatTime,
} from './figures.ts';

export function headLine({ kind, name, endpoint }: ExperimentReport): string {
  return `${kind} ${name} of the endpoint ${endpoint}`;
}

/** When units came in, and under which versions. */
export function timeLine({ firstExposureMs, lastExposureMs, versions, units }: ExperimentReport): string {
  if (firstExposureMs === undefined || lastExposureMs === undefined)
    return 'No unit has been exposed in this time.';
  const many = versions.length === 1 ? 'version' : 'versions';
  const listed = versions.length > 6 ? `${versions[0]} to ${versions.at(-1)}` : versions.join(', ');
  const times = `from ${formatTime(firstExposureMs)} to ${formatTime(lastExposureMs)}`;
  return `${counted(units.exposed, 'unit')}, first seen ${times}, under ${many} ${listed} of the rollout.`;
}

export function splitSentence({ sampleRatio, units }: ExperimentReport): string {
  const { isMismatch, p, sequentialP } = sampleRatio;
  if (units.exposed === 0) return 'The split cannot be judged yet.';
  const ps = `p ${formatP(sequentialP)} however often one looks, ${formatP(p)} at one look`;
  return isMismatch
    ? `The split is not what was asked for (${ps}; if the first is below ${MISMATCH_P} it is no chance). Nothing can be concluded.`
    : `The split is what was asked for (${ps}).`;
}

/** What may be behind a split that is not what was asked for. */
export const mismatchCauses: readonly string[] = [
  'bots: one variant may attract or keep off more of them; compare with --with-bots',
  'a variant that crashes, or answers too late: its requests fail before they are logged',
  'redirects, or pages that only one variant loads: units leave on the way',
  'exposures that are logged late, or lost when a server stops',
  'a cache that gives answers of one variant to everybody',
  'a condition `when` that depends on what a variant changes',
  'requests without a unit, or with one that changes: the same person is several units',
];

export function mismatchLines({ sampleRatio, arms }: ExperimentReport): string[] {
  return sampleRatio.splits
    .filter(({ p }) => p < 0.05)
    .map(({ by, name, arms: counts, p }) => {
      const parts = counts.map(
        ({ units, expected }, i) =>
          `${arms[i]?.variant} ${formatCount(units)} instead of ${formatCount(expected)}`,
      );
      return `${by} ${name}: ${parts.join(', ')} (p ${formatP(p)})`;
    });
}

export function formWords({ form, source, goal }: MetricReport): string {
  return `${whatOf(source, form)}; ${goal === 'increase' ? 'higher' : 'lower'} is better`;
}

function whatOf(source: MetricReport['source'], form: MetricReport['form']): string {
  switch (source.kind) {
    case 'feedback':
      return form === 'proportion'
        ? `share of units with ${source.field}`
        : `mean ${source.field} of predictions`;
    case 'score':
      return `mean ${source.score.replace('_', ' ')} of ${source.output} against ${source.field}`;
    case 'ratio':
      return `${source.numerator} by ${source.denominator}`;
    case 'events': {
      const { event, aggregate } = source;
      if (aggregate === 'any') return `share of units with any ${event.name}`;
      if (aggregate === 'count') return `${event.name} events of a unit`;
      return `sum of ${aggregate.sum.name} of the ${event.name} events of a unit`;
    }
  }
}

/** `b: better than a. …` */
export function conclusionSentence({ arms, alpha }: ExperimentReport, contrast: JudgedContrast): string {
  const [control = '', treatment = ''] = [arms[0]?.variant, arms[contrast.arm]?.variant];
  const { conclusion, difference, relative, alwaysValid } = contrast;
  const percent = relative === undefined ? '' : ` (${formatSignedPercent(relative.difference)})`;
  const by = `${formatSigned(difference)}${percent}`;
  const bounds = formatBounds(alwaysValid.corrected);
  switch (conclusion) {
    case 'blocked':
      return `${treatment}: no conclusion, for the split is not what was asked for.`;
    case 'too_few_units':
      return `${treatment}: too few units to conclude anything: at least 100 in each arm, and 10 of what is rare.`;
    case 'no_difference_yet':
      return `${treatment}: no difference from ${control} shown yet; it may be ${bounds}.`;
    case 'better':
    case 'worse':
      return `${treatment}: ${conclusion} than ${control}, by ${by}; it may be ${bounds} (error rate ${formatPercent(alpha)}).`;
  }
}

export function hasConclusions({ metrics, sampleRatio }: ExperimentReport): boolean {
  return !sampleRatio.isMismatch && metrics.some(({ contrasts }) => contrasts.length > 0);
}

export const lookingOften =
  'Conclusions follow from the always valid intervals after correction: look as often as you like, and stop when you like.';

const banditNote =
  'A bandit: outcomes count with 1 by their propensity, and a unit counts in each arm that it was given. Shares that follow from outcomes make its intervals approximate.';

function otherRunNote({ kind, versions }: ExperimentReport['otherRuns'][number]): string {
  const asked = versions.map(String).join(' ');
  const of = versions.length > 20 ? `${versions[0]} to ${versions.at(-1)}` : asked;
  return `there was another run of this name before, ${article(kind)}, which is not in this report: look at it with --policy-version ${of}`;
}

function article(kind: ExperimentReport['kind']): string {
  return kind === 'experiment' ? 'an experiment' : `a ${kind}`;
}

const stratifiedNote =
  'units came in under several versions of the rollout: arms are compared within each, and values and differences are as if each arm had the same share of the units of each version; counts of units are of all';

function leftOutNotes({ metrics }: ExperimentReport): string[] {
  const byVersions = new Map<string, string[]>();
  for (const { name, versionsLeftOut } of metrics) {
    const listed = versionsLeftOut.join(', ');
    if (listed !== '') byVersions.set(listed, [...(byVersions.get(listed) ?? []), name]);
  }
  return [...byVersions].map(
    ([versions, names]) =>
      `under version ${versions} an arm has fewer than two units, so these units are not in the difference of ${names.join(', ')}`,
  );
}

/** What is left out, and what else a reader should know. */
export function notesOf(report: ExperimentReport): string[] {
  const { units, outcomes, filter, events, metrics, metricsWithoutEvents, kind } = report;
  const notes = [
    ...report.otherRuns.map(otherRunNote),
    report.isStratified && stratifiedNote,
    ...leftOutNotes(report),
    units.crossed > 0 && crossedNote(report),
    units.bots > 0 &&
      `${counted(units.bots, 'unit')} say that they are bots${filter.withBots ? '' : ', and are left out'}`,
    units.forced > 0 && `${counted(units.forced, 'unit')} had a variant that a tester asked for: left out`,
    units.forcedAway > 0 &&
      `${counted(units.forcedAway, 'unit')} of the split had another variant that a tester asked for: left out`,
    units.random > 0 &&
      `${counted(units.random, 'request')} had no unit: each counts as a unit of its own, so one person may be in both arms`,
    units.elsewhere > 0 && `${counted(units.elsewhere, 'unit')} had a variant that is no arm now: left out`,
    outcomes.withoutExposure > 0 &&
      `${counted(outcomes.withoutExposure, 'prediction')} without the first exposure of their unit in this time: left out`,
    outcomes.unusable > 0 &&
      `${counted(outcomes.unusable, 'outcome')} cannot be used: no number, or the output is none`,
    outcomes.unmatched > 0 &&
      `${counted(outcomes.unmatched, 'report')} of feedback in the log belong to no prediction that is there`,
    outcomes.unreadable > 0 &&
      `${counted(outcomes.unreadable, 'record')} of the prediction log cannot be read: ${outcomes.problem}`,
    (events?.unreadable ?? 0) > 0 &&
      `${counted(events?.unreadable ?? 0, 'record')} of the event log cannot be read`,
    metricsWithoutEvents.length > 0 &&
      `there is no event log, so there is nothing of ${metricsWithoutEvents.join(', ')}`,
    metrics.length === 0 && 'there are no metrics, so only units are counted',
    kind === 'bandit' && banditNote,
  ];
  return notes.filter((note) => note !== false);
}

/** Who crossed over stays in the first arm: a large share of them hides a part of the effect. */
function crossedNote({ units, arms, crossings: { share, isLarge, p, isUneven } }: ExperimentReport): string {
  const each = arms.map(({ variant, crossed }) => `${formatCount(crossed)} of ${variant}`).join(', ');
  const head = `${counted(units.crossed, 'unit')} crossed over (${each}): seen in another variant later, and counted in the first`;
  const reasons = [
    isLarge && `they are ${formatPercent(share)} of all`,
    isUneven && `one arm has more of them than another (p ${formatP(p)})`,
  ].filter((reason) => reason !== false);
  if (reasons.length === 0) return head;
  return `${head}; warning: ${reasons.join(', and ')}, so effects are diluted: the true ones are larger than what is shown, and \`sticky\` keeps units where they are`;
}

export function outcomeNotes({ arms, alpha }: ExperimentReport): string[] {
  return arms
    .filter(({ outcomeP }) => outcomeP !== undefined && outcomeP < alpha)
    .map(
      ({ variant, outcomeP }) =>
        `${variant} has outcomes for another share of its predictions than ${arms[0]?.variant} (p ${formatP(outcomeP)}): what comes of predictions may be told of one arm more than of the other`,
    );
}

export function collisionLines({ collisions, arms, alpha }: ExperimentReport): string[] {
  return collisions.flatMap(({ other, units, p, cramersV, isDependent, interactions, otherVariants }) => {
    const found = interactions.filter(({ correctedP }) => correctedP < alpha);
    const head = `${other} has ${counted(units, 'unit')} of this one`;
    const strength = `p ${formatP(p)}, Cramér's V ${formatP(cramersV)}`;
    const dependence = isDependent
      ? `the two assignments depend on each other (${strength}): effects of the one may be those of the other`
      : `the two assignments are independent (${strength})`;
    const effects = found.map(
      ({ metric, arm, otherBase, otherVariant, difference, correctedP }) =>
        `the effect of ${arms[arm]?.variant} on ${metric} is ${formatSigned(difference)} with ${otherVariants[otherVariant]} instead of ${otherVariants[otherBase]} of ${other} (corrected p ${formatP(correctedP)})`,
    );
    const none = found.length === 0 && interactions.length > 0 ? ['no effect differs with its variants'] : [];
    return [`${head}; ${[dependence, ...none].join('; ')}`, ...effects];
  });
}
