/** Rollouts as text for people. */
import { formatDuration } from '../project/duration.ts';
import { formatTable } from './table.ts';
import type { Cell } from './table.ts';
import type { AuditAnswer, RolloutAnswer, RolloutOverview } from './rollout-answer.ts';

const INDENT = '  ';
const REASON_INDENT = '         ';
const WIDTH = 100;
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
    lastChangeText(status),
    `traffic: ${sharesText(status.shares_percent)}${partText(status)}\n`,
  ].join('');
}

function lastChangeText({ last_change: last }: RolloutAnswer): string {
  if (last === undefined) return '';
  const reason = last.reason === '' ? '' : `: ${last.reason}`;
  return wrapped(`${last.action} by ${last.by}${reason}`, '');
}

/** Of whom the shares are. */
function partText({ takes_part: part, serve }: RolloutAnswer): string {
  if (part === undefined) return '';
  const limits = [
    part.coverage_percent < PERCENT ? `coverage ${part.coverage_percent} %` : undefined,
    part.layer && `layer ${part.layer}`,
    part.holdout && `without holdout ${part.holdout}`,
    part.when && `when ${part.when}`,
  ].filter((limit) => limit !== undefined);
  return limits.length === 0
    ? ''
    : `, of those who take part (${limits.join(', ')}); ${serve} for all others`;
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
  const fields = [...new Set(Object.values(variants).flatMap(({ feedback = {} }) => Object.keys(feedback)))];
  const rows = Object.entries(variants).map(([variant, each]): Cell[] => [
    variant,
    each.answered,
    each.failed,
    figure(each.latency_ms_p50, 2),
    figure(each.latency_ms_p99, 2),
    ...fields.flatMap((field) => {
      const told = each.feedback?.[field];
      return [told?.count ?? 0, significant(told?.mean)];
    }),
  ]);
  if (rows.length === 0) return '';
  const told = fields.flatMap((field) => [`${field}s`, `mean ${field}`]);
  const head = ['variant', 'answered', 'failed', 'p50 ms', 'p99 ms', ...told];
  return `\nanswered since this began\n${formatTable([head, ...rows], INDENT)}`;
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
  const isSeen = entries.some(([, { requests, errors, shed }]) => requests + errors + shed > 0);
  if (!isSeen)
    return entries.length === 0
      ? ''
      : `\nshadows ${entries.map(([name]) => name).join(', ')}: nothing to compare yet\n`;
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
  const head = ['version', 'at', 'action', 'by', 'phase'];
  const rows = entries.map((each) => [
    each.version,
    each.at,
    each.action,
    each.by,
    each.phase.replace('_', ' '),
  ]);
  const [first = '', ...lines] = formatTable([head, ...rows])
    .trimEnd()
    .split('\n');
  const reasons = entries.map(({ reason }) => (reason === '' ? '' : wrapped(reason, REASON_INDENT)));
  return `${first}\n${lines.map((line, i) => `${line}\n${reasons[i] ?? ''}`).join('')}`;
}

/** Within the width of a terminal. */
function wrapped(text: string, indent: string): string {
  const lines = [indent];
  for (const word of text.split(' ')) {
    const line = lines.at(-1) as string;
    const longer = line === indent ? `${indent}${word}` : `${line} ${word}`;
    if (longer.length <= WIDTH || line === indent) lines[lines.length - 1] = longer;
    else lines.push(`${indent}${word}`);
  }
  return `${lines.join('\n')}\n`;
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
