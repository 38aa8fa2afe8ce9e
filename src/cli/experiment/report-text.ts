/** The report for a terminal of 100 columns. */
import type { ExperimentReport, MetricReport } from '../../experiments/report.ts';
import { formatTable } from '../table.ts';
import type { Cell } from '../table.ts';
import {
  formatBounds,
  formatChance,
  formatCount,
  formatP,
  formatPercent,
  formatSigned,
  formatSignedPercent,
  formatValue,
} from './figures.ts';
import {
  collisionLines,
  conclusionSentence,
  formWords,
  hasConclusions,
  headLine,
  lookingOften,
  mismatchCauses,
  mismatchLines,
  notesOf,
  outcomeNotes,
  splitSentence,
  timeLine,
} from './sentences.ts';

const WIDTH = 100;
const NAME_MAX = 18;
const NO_LOSS = 1e-4;

export function reportText(report: ExperimentReport): string {
  const notes = [...notesOf(report), ...outcomeNotes(report)].map((note) => wrap(`- ${note}.`, '  ', '    '));
  const collisions = collisionLines(report).map((line) => wrap(`- ${line}.`, '  ', '    '));
  return [
    wrap(headLine(report)),
    wrap(timeLine(report)),
    '\n',
    wrap(splitSentence(report)),
    ...mismatchText(report),
    '\n',
    formatTable(withShortNames(armRows(report)), '  '),
    ...report.metrics.flatMap((metric) => ['\n', metricText(report, metric)]),
    ...(hasConclusions(report) ? ['\n', wrap(lookingOften)] : []),
    ...(collisions.length > 0 ? ['\nOther experiments\n', ...collisions] : []),
    ...(notes.length > 0 ? ['\nTo know\n', ...notes] : []),
  ].join('');
}

function mismatchText(report: ExperimentReport): string[] {
  if (!report.sampleRatio.isMismatch) return [];
  const where = mismatchLines(report).map((line) => wrap(`- ${line}`, '  ', '    '));
  return [
    ...(where.length > 0 ? ['It differs most in\n', ...where] : []),
    'Look for\n',
    ...mismatchCauses.map((cause) => wrap(`- ${cause}`, '  ', '    ')),
  ];
}

export function armRows({ arms, holdout, sampleRatio }: ExperimentReport): Cell[][] {
  const head = [
    'arm',
    'share',
    'units',
    'drawn',
    'expected',
    'predictions',
    'with outcome',
    'crossed',
    'bots',
  ];
  const rows = arms.map(({ variant, share, units, predictions, withOutcome, crossed, bots }, i): Cell[] => {
    const ratio = sampleRatio.arms[i];
    return [
      variant,
      formatPercent(share),
      formatCount(units),
      formatCount(ratio?.units ?? 0),
      formatCount(ratio?.expected ?? 0),
      formatCount(predictions),
      outcomeCell(predictions, withOutcome),
      formatCount(crossed),
      formatCount(bots),
    ];
  });
  if (holdout === undefined) return [head, ...rows];
  const { units, predictions, withOutcome } = holdout;
  const kept = ['holdout', '-', formatCount(units), '-', '-', formatCount(predictions)];
  return [head, ...rows, [...kept, outcomeCell(predictions, withOutcome), '-', '-']];
}

function outcomeCell(predictions: number, withOutcome: number): string {
  return predictions === 0 ? '-' : formatPercent(withOutcome / predictions);
}

function metricText(report: ExperimentReport, metric: MetricReport): string {
  const { contrasts, varianceReduction } = metric;
  const reduced =
    varianceReduction === undefined
      ? ''
      : wrap(
          `CUPED: what units did before takes away ${formatPercent(varianceReduction)} of the variance.`,
          '  ',
          '    ',
        );
  return [
    wrap(`${metric.name}: ${formWords(metric)}`),
    formatTable(withShortNames(metricRows(report, metric)), '  '),
    ...(contrasts.length > 0 ? [formatTable(withShortNames(contrastRows(report, metric, true)), '  ')] : []),
    reduced,
    ...contrasts.map((contrast) => wrap(conclusionSentence(report, contrast), '  ', '    ')),
  ].join('');
}

export function metricRows({ arms, alpha }: ExperimentReport, metric: MetricReport): Cell[][] {
  const isWeighted = metric.weighted.length > 0;
  const credible = `${formatPercent(1 - alpha)} likely`;
  const head = ['arm', 'units', isWeighted ? 'SNIPS' : 'value', credible, 'best', 'expected loss'];
  const rows = metric.arms.map(({ units, mean, credible: interval, chanceBest, expectedLoss }, i): Cell[] => {
    const weighted = metric.weighted[i];
    return [
      arms[i]?.variant ?? '',
      formatCount(units),
      formatValue(mean),
      formatBounds(interval, false),
      formatChance(chanceBest),
      lossCell(expectedLoss, mean),
      ...(weighted === undefined ? [] : [formatValue(weighted.ips), formatCount(weighted.effectiveUnits)]),
    ];
  });
  const { holdout } = metric;
  const blank = isWeighted ? ['-', '-'] : [];
  const kept =
    holdout === undefined
      ? []
      : [['holdout', formatCount(holdout.units), formatValue(holdout.mean), '-', '-', '-', ...blank]];
  return [[...head, ...(isWeighted ? ['IPS', 'effective units'] : [])], ...rows, ...kept];
}

/** What is lost does not matter where the value itself would not show it. */
function lossCell(loss: number | undefined, mean = 0): string {
  return loss !== undefined && loss < NO_LOSS * Math.abs(mean) ? '0' : formatValue(loss);
}

/** @param isShort without the p of the always valid interval before it is corrected, for which a terminal has no room */
export function contrastRows(
  { arms }: ExperimentReport,
  { contrasts }: MetricReport,
  isShort: boolean,
): Cell[][] {
  const head = [`against ${arms[0]?.variant}`, 'difference', 'in %', 'one look', 'p', 'always valid'];
  const rows = contrasts.map(({ arm, difference, relative, fixed, alwaysValid }): Cell[] => [
    arms[arm]?.variant ?? '',
    formatSigned(difference),
    formatSignedPercent(relative?.difference),
    formatBounds(fixed),
    formatP(fixed.p),
    formatBounds(alwaysValid),
    ...(isShort ? [] : [formatP(alwaysValid.p)]),
    formatP(alwaysValid.correctedP),
  ]);
  return [[...head, ...(isShort ? [] : ['p']), 'corrected p'], ...rows];
}

/** A long name would push the numbers out of the line. */
function withShortNames(rows: readonly (readonly Cell[])[]): Cell[][] {
  return rows.map(([name = '', ...cells]) => {
    const text = String(name);
    return [text.length > NAME_MAX ? `${text.slice(0, NAME_MAX - 1)}…` : text, ...cells];
  });
}

/** @param rest stands before all lines but the first */
function wrap(text: string, first = '', rest = first): string {
  const lines: string[] = [];
  let line = first;
  for (const [i, word] of text.split(/ (?!%)/).entries()) {
    if (i === 0) line += word;
    else if (line.length + 1 + word.length <= WIDTH) line += ` ${word}`;
    else {
      lines.push(line);
      line = `${rest}${word}`;
    }
  }
  return `${[...lines, line].join('\n')}\n`;
}
