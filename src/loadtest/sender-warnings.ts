/** When a result says more about the load generator than about the server. */
import type { Measurement } from './measurement.ts';

const BUSY_SHARE_MAX = 0.9;
const LAG_P99_US_MAX = 1000;
const LAG_OF_LATENCY_MAX = 0.25;
const WAITED_SHARE_MAX = 0.01;

type Measured = Pick<Measurement, 'latency' | 'sender'>;

/** A closed loop that is busy all the time finds its own limit. */
export function closedLoopWarnings({ sender }: Measured): string[] {
  if (sender.busyShare <= BUSY_SHARE_MAX) return [];
  return [`the load generator was ${percent(sender.busyShare)} busy: it, not the server, may be the limit`];
}

export function openLoopWarnings(measured: Measured): string[] {
  const warnings = closedLoopWarnings(measured);
  const { lag, waitedShare } = measured.sender;
  const lagUs = lag?.p99Us ?? 0;
  if (lagUs > LAG_P99_US_MAX && lagUs > measured.latency.p99Us * LAG_OF_LATENCY_MAX) {
    const lagMs = (lagUs / 1000).toFixed(1);
    warnings.push(`the load generator sent late (p99 ${lagMs} ms): its own delays are part of the latencies`);
  }
  if (waitedShare > WAITED_SHARE_MAX)
    warnings.push(`${percent(waitedShare)} of the requests waited for a free connection; see --connections`);
  return warnings;
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
