/** The report as one HTML page that needs nothing else: style and charts are in it, and no script. */
import type { Conclusion, JudgedContrast } from '../../experiments/conclude.ts';
import type { ExperimentReport, MetricReport } from '../../experiments/report.ts';
import { escapeHtml } from '../../loadtest/html-text.ts';
import { reportStyle } from '../../loadtest/report-style.ts';
import type { Cell } from '../table.ts';
import {
  armColumns,
  chartSentences,
  contrastColumns,
  splitNumbers,
  valueColumns,
  weightedColumns,
} from './explanations.ts';
import type { Explained } from './explanations.ts';
import { formatPercent } from './figures.ts';
import { posteriorChart, runningChart, unitsChart } from './report-charts.ts';
import { armRows, contrastRows, metricRows } from './report-text.ts';
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

const style = `
.badge {
  display: inline-block; padding: 0.1rem 0.7rem; border-radius: 1rem; border: 1px solid currentColor;
  font-size: 0.85rem; font-weight: 600; color: var(--soft); white-space: nowrap;
}
.badge.good { color: var(--s1); } .badge.bad { color: var(--s4); }
ul.conclusions { list-style: none; margin: 1rem 0; padding: 0; }
ul.conclusions li { display: flex; flex-wrap: wrap; gap: 0.2rem 0.7rem; align-items: baseline; margin: 0.4rem 0; }
ul.conclusions span:last-child { flex: 1 1 20rem; }
h3 { font-size: 1rem; margin: 1.2rem 0 0; }
details { margin: 0.5rem 0 1rem; }
summary { cursor: pointer; color: var(--soft); }
details dl { margin: 0.4rem 0; }
dt { overflow-wrap: anywhere; }
.charts { margin-top: 1rem; }
.charts > div { min-width: 0; max-width: 640px; }
.charts p { margin: 0.4rem 0 0.8rem; font-size: 13px; }
@media (max-width: 600px) {
  body { padding: 1rem 0.9rem 3rem; font-size: 14px; }
  dl { grid-template-columns: 1fr; gap: 0; }
  dd { margin: 0 0 0.5rem; }
  th, td { padding: 0.3rem 0.35rem; font-size: 13px; }
  .tick { font-size: 15px; }
  .label { font-size: 16px; }
  figure { padding: 0.7rem 0.5rem 0.3rem; }
}
`;

export function reportHtml(report: ExperimentReport): string {
  const title = escapeHtml(headLine(report));
  return [
    '<!doctype html>',
    '<html lang="en"><head><meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>${title}</title><style>${reportStyle}${style}</style></head><body>`,
    `<h1>${title}</h1>`,
    paragraph(timeLine(report), 'soft'),
    conclusionList(report),
    splitHtml(report),
    ...report.metrics.map((metric, i) => metricHtml(report, metric, i === 0)),
    listHtml('Other experiments', collisionLines(report)),
    listHtml('To know', [...notesOf(report), ...outcomeNotes(report)]),
    '</body></html>\n',
  ].join('\n');
}

const badgeWords: Readonly<Record<Conclusion, string>> = {
  better: 'better',
  worse: 'worse',
  no_difference_yet: 'no difference shown yet',
  too_few_units: 'too few units',
  blocked: 'no conclusion',
};

function badge(text: string, kind: 'good' | 'bad' | '' = ''): string {
  return `<span class="badge ${kind}">${escapeHtml(text)}</span>`;
}

function conclusionBadge({ conclusion }: JudgedContrast): string {
  const kinds = { better: 'good', worse: 'bad', blocked: 'bad' } as const;
  return badge(badgeWords[conclusion], conclusion in kinds ? kinds[conclusion as 'better'] : '');
}

function conclusionList(report: ExperimentReport): string {
  const items = report.metrics.flatMap((metric) =>
    metric.contrasts.map((contrast) => {
      const sentence = `${metric.name}: ${conclusionSentence(report, contrast)}`;
      return `<li>${conclusionBadge(contrast)}<span>${escapeHtml(sentence)}</span></li>`;
    }),
  );
  const often = hasConclusions(report) ? paragraph(lookingOften, 'soft') : '';
  return items.length === 0 ? '' : `<ul class="conclusions">${items.join('\n')}</ul>${often}`;
}

function splitHtml(report: ExperimentReport): string {
  const { isMismatch } = report.sampleRatio;
  const isKnown = report.units.exposed > 0;
  const state = isMismatch ? badge('sample ratio mismatch', 'bad') : badge('split as asked for', 'good');
  const chart = unitsChart(report);
  return [
    `<h2>Split ${isKnown ? state : ''}</h2>`,
    paragraph(splitSentence(report), isMismatch ? 'warning' : ''),
    ...(isMismatch
      ? [listHtml('It differs most in', mismatchLines(report), 3), listHtml('Look for', mismatchCauses, 3)]
      : []),
    tableHtml(armRows(report)),
    explain([...armColumns, ...splitNumbers], true),
    chart === '' ? '' : `<div class="charts">${chartHtml(chart, chartSentences.units)}</div>`,
  ].join('\n');
}

function metricHtml(report: ExperimentReport, metric: MetricReport, isFirst: boolean): string {
  const { name, contrasts, varianceReduction, weighted } = metric;
  const reduced =
    varianceReduction === undefined
      ? ''
      : paragraph(
          `CUPED: what units did before takes away ${formatPercent(varianceReduction)} of the variance, so fewer units are needed.`,
        );
  const charts = [
    chartHtml(posteriorChart(report, metric), chartSentences.posterior),
    chartHtml(runningChart(report, metric), chartSentences.running),
  ].filter((chart) => chart !== '');
  return [
    `<h2>${escapeHtml(name)} ${contrasts.map(conclusionBadge).join(' ')}</h2>`,
    paragraph(`${formWords(metric)}.`, 'soft'),
    ...contrasts.map((contrast) => paragraph(conclusionSentence(report, contrast))),
    reduced,
    tableHtml(metricRows(report, metric)),
    explain(
      weighted.length === 0
        ? valueColumns
        : [...valueColumns.filter(({ label }) => label !== 'value'), ...weightedColumns],
      isFirst,
    ),
    ...(contrasts.length === 0
      ? []
      : [tableHtml(contrastRows(report, metric, false)), explain(contrastColumns, isFirst)]),
    charts.length === 0 ? '' : `<div class="charts">${charts.join('\n')}</div>`,
  ].join('\n');
}

function chartHtml(chart: string, sentence: string): string {
  return chart === '' ? '' : `<div>${chart}${paragraph(sentence, 'soft')}</div>`;
}

function explain(explained: readonly Explained[], isOpen: boolean): string {
  const items = explained.map(
    ({ label, sentence }) => `<dt>${escapeHtml(label)}</dt><dd>${escapeHtml(sentence)}</dd>`,
  );
  const open = isOpen ? ' open' : '';
  return `<details${open}><summary>What these numbers say</summary><dl>${items.join('')}</dl></details>`;
}

function tableHtml([head = [], ...rows]: readonly (readonly Cell[])[]): string {
  const body = rows.map((row) => tableLine(row, 'td')).join('\n');
  const text = `<thead>${tableLine(head, 'th')}</thead><tbody>${body}</tbody>`;
  return `<div class="scroll"><table>${text}</table></div>`;
}

function tableLine(cells: readonly Cell[], tag: 'th' | 'td'): string {
  return `<tr>${cells.map((cell) => `<${tag}>${escapeHtml(String(cell))}</${tag}>`).join('')}</tr>`;
}

function listHtml(title: string, lines: readonly string[], level = 2): string {
  if (lines.length === 0) return '';
  const items = lines.map((line) => `<li>${escapeHtml(line)}</li>`);
  return `<h${level}>${title}</h${level}><ul>${items.join('\n')}</ul>`;
}

function paragraph(text: string, kind = ''): string {
  return text === '' ? '' : `<p${kind === '' ? '' : ` class="${kind}"`}>${escapeHtml(text)}</p>`;
}
