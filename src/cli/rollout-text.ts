/** Rollouts as text for people. */
import { formatDuration } from '../project/duration.ts';
import { formatTable } from './table.ts';
import type { Cell } from './table.ts';
import type { AuditAnswer, RolloutAnswer, RolloutOverview } from './rollout-answer.ts';

const INDENT = '  ';
const PERCENT = 100;

export function overviewText(rollouts: readonly RolloutOverview[]): string {
  const head = ['endpoint', 'version', 'policy', 'phase', 'traffic', 'shadows'];
  const rows = rollouts.map((each) => [
    each.endpoint,
    each.version,
    each.policy,
    each.phase,
    sharesText(each.shares_percent),
    each.shadows.join(', ') || '-',
  ]);
  return formatTable([head, ...rows]);
}

export function statusText(status: RolloutAnswer): string {
  return [
    headText(status),
    status.problem === undefined ? '' : `\nThe stored rollout is not used: ${status.problem}\n`,
    status.warnings.map((warning) => `\nWarning: ${warning}\n`).join(''),
    canaryText(status),
    variantsText(status),
    verdictText(status),
    shadowsText(status),
  ].join('');
}

function headText(status: RolloutAnswer): string {
  const file = status.differs_from_file ? ', not as in the project file' : '';
  const name = status.experiment === null ? '' : ` ${status.experiment}`;
  return [
    `${status.endpoint}: ${status.policy}${name}, ${status.phase.replace('_', ' ')}\n`,
    `version ${status.version}, changed ${status.changed_at}${file}\n`,
    `traffic: ${sharesText(status.shares_percent)}\n`,
  ].join('');
}

function sharesText(shares: Readonly<Record<string, number>>): string {
  return Object.entries(shares)
    .map(([variant, percent]) => `${variant} ${percent} %`)
    .join(', ');
}

function canaryText({ canary, phase }: RolloutAnswer): string {
  if (canary === undefined || phase === 'promoted' || phase === 'rolled_back') return '';
  const { candidate, step, steps_percent: steps, since, interval_ms: intervalMs } = canary;
  const shown = steps.map((percent, i) => (i === step ? `[${percent}]` : String(percent))).join(' ');
  return `${candidate} takes ${shown} percent, this step since ${since}, for at least ${formatDuration(intervalMs)}\n`;
}

function variantsText({ variants = {} }: RolloutAnswer): string {
  const rows = Object.entries(variants).map(([variant, each]): Cell[] => [
    variant,
    each.answered,
    each.failed,
    figure(each.latency_ms_p50, 2),
    figure(each.latency_ms_p99, 2),
  ]);
  if (rows.length === 0) return '';
  return `\nanswered since this began\n${formatTable([['variant', 'answered', 'failed', 'p50 ms', 'p99 ms'], ...rows], INDENT)}`;
}

function verdictText({ verdict }: RolloutAnswer): string {
  if (verdict === undefined) return '';
  const rows = verdict.guardrails.map((each): Cell[] => [
    each.label,
    each.verdict,
    significant(each.candidate),
    significant(each.baseline),
    significant(each.harm.estimate),
    `${significant(each.harm.lower)} to ${significant(each.harm.upper)}`,
    significant(each.limit),
    each.more_samples === undefined ? '-' : `about ${each.more_samples}`,
  ]);
  const head = [
    'guardrail',
    'verdict',
    'candidate',
    'baseline',
    'harm',
    'harm is within',
    'at most',
    'needs more',
  ];
  const missing =
    verdict.requests_missing > 0 ? `; at least ${verdict.requests_missing} more requests are needed` : '';
  return `\nverdict: ${verdict.verdict}${missing}\n${formatTable([head, ...rows], INDENT)}`;
}

function shadowsText({ shadows = {} }: RolloutAnswer): string {
  const entries = Object.entries(shadows);
  if (entries.length === 0) return '';
  const lines: (readonly [string, (shadow: (typeof entries)[number][1]) => Cell])[] = [
    ['requests compared', (each) => each.requests],
    ['rows', (each) => each.rows],
    ['errors', (each) => each.errors],
    ['shed (too much to do)', (each) => each.shed],
    ['decisions that flip', (each) => (each.flip_share === undefined ? '-' : percentText(each.flip_share))],
    ['difference, median', (each) => significant(each.absolute_difference.p50)],
    ['difference, 99 %', (each) => significant(each.absolute_difference.p99)],
    ['difference, largest', (each) => significant(each.absolute_difference.max)],
    ['relative difference, median', (each) => significant(each.relative_difference.p50)],
    ['rank correlation', (each) => significant(each.rank_correlation)],
    ['population stability index', (each) => significant(each.population_stability_index)],
    ['latency ms, p50 of the answer', (each) => figure(each.answered_latency_ms.p50, 2)],
    ['latency ms, p50 of the shadow', (each) => figure(each.shadow_latency_ms.p50, 2)],
    ['latency ms, mean difference', (each) => figure(each.latency_difference_ms, 2)],
  ];
  const head = ['', ...entries.map(([variant]) => variant)];
  const rows = lines.map(([label, cell]) => [label, ...entries.map(([, shadow]) => cell(shadow))]);
  return `\nshadows, beside what was answered\n${formatTable([head, ...rows], INDENT)}`;
}

export function auditText({ entries }: AuditAnswer): string {
  const head = ['version', 'at', 'action', 'by', 'phase', 'reason'];
  const rows = entries.map((each) => [
    each.version,
    each.at,
    each.action,
    each.by,
    each.phase,
    each.reason === '' ? '-' : each.reason,
  ]);
  return formatTable([head, ...rows]);
}

function percentText(share: number): string {
  return `${(PERCENT * share).toFixed(2)} %`;
}

function figure(value: number | undefined, digits: number): string {
  return value === undefined ? '-' : value.toFixed(digits);
}

function significant(value: number | undefined): string {
  return value === undefined ? '-' : String(Number(value.toPrecision(3)));
}
