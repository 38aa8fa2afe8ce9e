/** How figures are written, in tables and in the report. */
import type { Knee } from './knee.ts';
import type { Measurement, RunProgress } from './measurement.ts';
import type { Overload } from './overload.ts';

export function formatRate(perSecond: number): string {
  return Math.round(perSecond).toLocaleString('en-US');
}

/** Milliseconds with three digits that mean something: `0.214`, `12.3`, `1,240`. */
export function formatMs(us: number): string {
  const ms = us / 1000;
  if (ms >= 100) return Math.round(ms).toLocaleString('en-US');
  return ms.toFixed(ms >= 10 ? 1 : ms >= 1 ? 2 : 3);
}

export function formatPercent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

/** Requests without an answer with 200, except those that the server refused with 429. */
function errorCount({ outcomes }: Measurement): number {
  return outcomes.timedOut + outcomes.connectionErrors + outcomes.otherErrors;
}

/** Narrow enough for a terminal of 100 columns; latencies are in milliseconds, `gen` is the load generator. */
export const tableHead: readonly string[] = [
  'load',
  'all/s',
  'ok/s',
  'p50',
  'p90',
  'p99',
  'p99.9',
  'max',
  '429',
  'errors',
  'rows',
  'gen',
];

/** Closed loops have no latencies here: theirs leave out the requests that were never sent. */
export function tableCells(measurement: Measurement): string[] {
  const { offeredPerSecond, latency, outcomes, batchRows, sender } = measurement;
  const { p50Us, p90Us, p99Us, p999Us, maxUs, count } = latency;
  const hasLatency = offeredPerSecond !== null && count > 0;
  const latencies = [p50Us, p90Us, p99Us, p999Us, maxUs].map((us) => (hasLatency ? formatMs(us) : '-'));
  return [
    loadCell(measurement),
    formatRate(measurement.throughputPerSecond),
    formatRate(measurement.goodputPerSecond),
    ...latencies,
    outcomes.rejected.toLocaleString('en-US'),
    errorCount(measurement).toLocaleString('en-US'),
    batchRows === null || batchRows.runs === 0 ? '-' : batchRows.rowsMean.toFixed(1),
    formatPercent(sender.busyShare),
  ];
}

function loadCell({ load, offeredPerSecond }: Measurement): string {
  if (offeredPerSecond !== null) return `open ${formatRate(offeredPerSecond)}/s`;
  return load === 'closed loop' ? 'closed' : load;
}

/** Beside a bar; p99 comes first, because a narrow terminal cuts the end off. */
export function progressNote({ goodputPerSecond, latency }: RunProgress): string {
  if (latency.count === 0) return 'warming up';
  const { p50Us, p99Us } = latency;
  return `${formatRate(goodputPerSecond)} ok/s, p99 ${formatMs(p99Us)} ms, p50 ${formatMs(p50Us)} ms`;
}

/** What a reader should know beside the figures: warnings, and an example of each failure, with where they were seen. */
export function notesOf(measurements: readonly Measurement[]): string[] {
  const places = new Map<string, string[]>();
  const note = (text: string, { offeredPerSecond, load }: Measurement): void => {
    const place = offeredPerSecond === null ? load : `${formatRate(offeredPerSecond)}/s`;
    places.set(text, [...(places.get(text) ?? []), place]);
  };
  for (const measurement of measurements) {
    for (const warning of measurement.warnings) note(warning, measurement);
    for (const { name, example } of measurement.outcomes.failures)
      note(example === '' ? name : `${name}, such as: ${example}`, measurement);
  }
  return [...places].map(([text, where]) => `${text} (${where.join(', ')})`);
}

/** A sentence for each rate: `at 2 times the peak (2,600/s): 97 % of its ok/s, 429 within 48.2 ms (p99), …`. */
export function overloadNotes(overloads: readonly Overload[]): string[] {
  return overloads.map((overload) => {
    const { ratePerSecond, offeredShare, goodputShare, rejectedP99Us, memoryBytes, peakMemoryBytes } =
      overload;
    const parts = [`${formatPercent(goodputShare)} of its ok/s`];
    if (rejectedP99Us !== null) parts.push(`429 within ${formatMs(rejectedP99Us)} ms (p99)`);
    if (memoryBytes !== null && peakMemoryBytes !== null)
      parts.push(`server memory ${formatMb(memoryBytes)} MB (${formatMb(peakMemoryBytes)} at the peak)`);
    const times = Number(offeredShare.toFixed(1));
    return `at ${times} times the peak (${formatRate(ratePerSecond)}/s): ${parts.join(', ')}`;
  });
}

function formatMb(bytes: number): string {
  return Math.round(bytes / 1e6).toLocaleString('en-US');
}

/** Why the knee may not be that of the server. */
export function kneeNotes({ warnings, failedBelow }: Knee): string[] {
  const notes: string[] = [];
  if (warnings.length > 0)
    notes.push(`the load generator may be the limit of the knee, not the server: ${warnings.join('; ')}`);
  if (failedBelow.length > 0)
    notes.push(`below the knee, ${failedBelow.map(formatRate).join('/s, ')}/s was not served well`);
  return notes;
}
