/** The report as one HTML page that needs nothing else: style and charts are in it, and no script. */
import type { AxisOptions, Series } from './chart.ts';
import { barChart, lineChart } from './chart.ts';
import {
  formatMs,
  formatPercent,
  formatRate,
  kneeNotes,
  notesOf,
  overloadNotes,
  tableCells,
  tableHead,
} from './figures.ts';
import { escapeHtml } from './html-text.ts';
import type { Measurement } from './measurement.ts';
import { reportStyle } from './report-style.ts';
import type { LoadTestReport } from './report.ts';
import type { ScenarioResult } from './scenario.ts';

const CURVES_MAX = 5;

export function reportHtml(report: LoadTestReport): string {
  const title = escapeHtml(report.title);
  return [
    '<!doctype html>',
    '<html lang="en"><head><meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>${title}</title><style>${reportStyle}</style></head><body>`,
    `<h1>${title}</h1>`,
    report.endedEarly ? '<p class="warning">Stopped before it was through.</p>' : '',
    factsOf(report),
    '<p class="soft">Open loop: requests are sent at intended times, whether or not earlier ones are answered, and',
    'latency counts from the intended time. Timeouts count with the whole timeout. Closed loops (our sockets, and',
    'autocannon) find the highest throughput and have no latency. All/s: answers of any status; ok/s: with 200.',
    'Rows: in a run of the model. Gen: the share of one core that the load generator needed; near 100 % it measures',
    'itself.</p>',
    ...report.scenarios.map(scenarioHtml),
    '</body></html>\n',
  ].join('\n');
}

function factsOf({ startedAt, server, command, machine, plan }: LoadTestReport): string {
  const { cpu, cores, memoryBytes, os, node } = machine;
  const facts = {
    Date: startedAt.replace('T', ' ').replace(/\.\d+Z$/, ' UTC'),
    Server: server,
    Machine: `${cores} x ${cpu}, ${Math.round(memoryBytes / 2 ** 30)} GiB, ${os}`,
    Node: node,
    Command: command,
    Configuration: [
      `${plan.arrivals} arrivals (seed ${plan.seed})`,
      `${plan.durationMs / 1000} s each after ${plan.warmUpMs / 1000} s of warm-up`,
      `timeout ${plan.timeoutMs / 1000} s`,
    ].join(', '),
  };
  const items = Object.entries(facts).map(([name, value]) => {
    const text = escapeHtml(value);
    return `<dt>${name}</dt><dd>${name === 'Command' ? `<code>${text}</code>` : text}</dd>`;
  });
  return `<dl>${items.join('')}</dl>`;
}

function scenarioHtml(scenario: ScenarioResult): string {
  const { name, protocol, connections, measurements, problem } = scenario;
  if (problem !== undefined)
    return `<h2>${escapeHtml(name)}</h2><p class="warning">Could not run: ${escapeHtml(problem)}</p>`;
  if (measurements.length === 0)
    return `<h2>${escapeHtml(name)}</h2><p class="warning">Nothing was measured.</p>`;
  const notes = notesOf(measurements).map((note) => `<li>${escapeHtml(note)}</li>`);
  return [
    `<h2>${escapeHtml(name)}</h2>`,
    `<p class="soft">${protocol}, ${connections.toLocaleString('en-US')} connections; latencies in ms</p>`,
    kneeSentence(scenario),
    overloadList(scenario),
    tableHtml(scenario),
    notes.length === 0 ? '' : `<ul class="warning">${notes.join('')}</ul>`,
    `<div class="charts">${chartsOf(scenario).join('\n')}</div>`,
  ].join('\n');
}

function kneeSentence({ knee, measurements }: ScenarioResult): string {
  const rates = openLoops(measurements);
  if (rates.length < 2) return '';
  if (knee === null) return '<p>No rate was served well: the knee lies below the lowest rate.</p>';
  const { ratePerSecond, p99Us, p99UsMax } = knee;
  const limit = `at least 95 % of it answered with 200, and p99 at most ${formatMs(p99UsMax)} ms`;
  const highest = `the highest rate that is served well (${limit})`;
  const sentence = `<p>Knee: <strong>${formatRate(ratePerSecond)}/s</strong> with p99 ${formatMs(p99Us)} ms, ${highest}.</p>`;
  const notes = kneeNotes(knee).map((note) => `<p class="warning">${escapeHtml(note)}</p>`);
  return [sentence, ...notes].join('\n');
}

function overloadList({ overloads }: ScenarioResult): string {
  const items = overloadNotes(overloads).map((note) => `<li>${escapeHtml(note)}</li>`);
  return items.length === 0 ? '' : `<p>Overload:</p><ul>${items.join('')}</ul>`;
}

function tableHtml({ measurements, knee }: ScenarioResult): string {
  const head = tableHead.map((cell) => `<th>${cell}</th>`).join('');
  const rows = measurements.map((measurement) => {
    const isKnee = knee !== null && measurement.offeredPerSecond === knee.ratePerSecond;
    const cells = tableCells(measurement).map((cell) => `<td>${escapeHtml(cell)}</td>`);
    return `<tr${isKnee ? ' class="knee"' : ''}>${cells.join('')}</tr>`;
  });
  return `<div class="scroll"><table><thead><tr>${head}</tr></thead><tbody>${rows.join('\n')}</tbody></table></div>`;
}

const rateAxis: AxisOptions = {
  label: 'offered requests/s',
  scale: 'linear',
  format: shortRate,
};
const latencyAxis: AxisOptions = { label: 'latency, ms', scale: 'log', format: tickMs };

function chartsOf(scenario: ScenarioResult): string[] {
  const { measurements } = scenario;
  const points = openLoops(measurements);
  const charts: string[] = [];
  if (points.length > 1) charts.push(latencyByRate(scenario, points), goodputByRate(scenario, points));
  if (points.length > 0) charts.push(distribution(points));
  const batches = batchSizes(points.length > 0 ? points : measurements);
  return batches === undefined ? charts : [...charts, batches];
}

/** By rate, lowest first. */
function openLoops(measurements: readonly Measurement[]): Measurement[] {
  return measurements
    .filter(({ offeredPerSecond, latency }) => offeredPerSecond !== null && latency.count > 0)
    .toSorted((a, b) => rateOf(a) - rateOf(b));
}

function rateOf({ offeredPerSecond }: Measurement): number {
  return offeredPerSecond ?? 0;
}

function marksOf({ knee }: ScenarioResult): { x: number; label: string }[] {
  return knee === null ? [] : [{ x: knee.ratePerSecond, label: `knee ${shortRate(knee.ratePerSecond)}` }];
}

function latencyByRate(scenario: ScenarioResult, points: readonly Measurement[]): string {
  const percentiles = { p50: 'p50Us', p90: 'p90Us', p99: 'p99Us', 'p99.9': 'p999Us', max: 'maxUs' } as const;
  const series = Object.entries(percentiles).map(([name, key]): Series => {
    return { name, points: points.map((point) => ({ x: rateOf(point), y: point.latency[key] })) };
  });
  return lineChart({
    title: 'Latency by rate',
    x: rateAxis,
    y: latencyAxis,
    series,
    marks: marksOf(scenario),
  });
}

function goodputByRate(scenario: ScenarioResult, points: readonly Measurement[]): string {
  const of = (name: string, pick: (point: Measurement) => number): Series => {
    return { name, points: points.map((point) => ({ x: rateOf(point), y: pick(point) })) };
  };
  const series = [
    of('answered', (point) => point.throughputPerSecond),
    of('ok', (point) => point.goodputPerSecond),
  ];
  // As much as was offered, as far up as the chart reaches.
  const top = Math.max(...series.flatMap((each) => each.points.map(({ y }) => y)));
  const ideal = [0, top].map((rate) => ({ x: rate, y: rate }));
  return lineChart({
    title: 'Throughput by rate',
    x: rateAxis,
    y: { label: 'answers/s', scale: 'linear', format: shortRate },
    series: [...series, { name: 'all that is offered', points: ideal, isReference: true }],
    marks: marksOf(scenario),
  });
}

/** Latency against "one in N requests is slower": the tail gets as much room as the middle. */
function distribution(points: readonly Measurement[]): string {
  const series = spread(points).map((point): Series => {
    const curve = point.latencyCurve.map(({ quantile, latencyUs }) => {
      return { x: 1 / (1 - quantile), y: Math.max(1, latencyUs) };
    });
    return { name: `${formatRate(rateOf(point))}/s`, points: curve };
  });
  return lineChart({
    title: 'Distribution of latencies',
    x: { label: 'requests up to this percentile', scale: 'log', format: percentileLabel },
    y: latencyAxis,
    series,
  });
}

function batchSizes(points: readonly Measurement[]): string | undefined {
  const withRuns = points.filter(({ batchRows }) => batchRows !== null && batchRows.runs > 0);
  const all = withRuns.map(({ batchRows }) => batchRows?.buckets ?? []);
  // Without the empty buckets at the end.
  const used = 1 + Math.max(-1, ...all.map((buckets) => buckets.findLastIndex(({ runs }) => runs > 0)));
  const groups = (all[0] ?? []).slice(0, used).map(({ rowsMax }) => {
    return rowsMax === Infinity ? 'more' : String(rowsMax);
  });
  if (groups.length === 0) return undefined;
  const series = spread(withRuns).map((point) => {
    const { buckets = [], runs = 1 } = point.batchRows ?? {};
    const name = point.offeredPerSecond === null ? point.load : `${formatRate(rateOf(point))}/s`;
    return { name, values: buckets.slice(0, used).map((bucket) => bucket.runs / runs) };
  });
  return barChart({
    title: 'Rows in a run of the model',
    xLabel: 'rows in a run, up to',
    y: { label: 'share of the runs', scale: 'linear', format: formatPercent },
    groups,
    series,
  });
}

/** A few of them, from the first to the last: more curves than that cannot be told apart. */
function spread(points: readonly Measurement[]): Measurement[] {
  if (points.length <= CURVES_MAX) return [...points];
  const step = (points.length - 1) / (CURVES_MAX - 1);
  return Array.from({ length: CURVES_MAX }, (_, i) => points[Math.round(i * step)] as Measurement);
}

function shortRate(perSecond: number): string {
  if (perSecond < 1000) return String(Math.round(perSecond));
  return `${Number((perSecond / 1000).toPrecision(3))}k`;
}

function tickMs(us: number): string {
  return Number((us / 1000).toPrecision(3)).toLocaleString('en-US');
}

/** 1000 -> p99.9 */
function percentileLabel(oneIn: number): string {
  return `p${Number((100 * (1 - 1 / oneIn)).toPrecision(7))}`;
}
