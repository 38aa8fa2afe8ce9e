/** When a result says more about the load generator than about the server. */
import type { LoadMeasurement } from './measurement.ts';

const BUSY_SHARE_MAX = 0.9;
const LAG_P99_US_MAX = 1000;
const LAG_OF_LATENCY_MAX = 0.25;
const WAITED_SHARE_MAX = 0.05;

type Measured = Pick<LoadMeasurement, 'latency' | 'sender'>;

/** A closed loop that is busy all the time finds its own limit. */
export function closedLoopWarnings({ sender }: Measured): string[] {
  if (sender.busyShare <= BUSY_SHARE_MAX) return [];
  return ['the load generator was busy all the time: it, not the server, may be the limit'];
}

export function openLoopWarnings(measured: Measured): string[] {
  const warnings = closedLoopWarnings(measured);
  const { lag, waitedShare } = measured.sender;
  const lagUs = lag?.p99Us ?? 0;
  if (lagUs > LAG_P99_US_MAX && lagUs > measured.latency.p99Us * LAG_OF_LATENCY_MAX)
    warnings.push('the load generator sent late: its own delays are a good part of the latencies');
  if (waitedShare > WAITED_SHARE_MAX)
    warnings.push(
      'requests waited in the client: the server did not read on (WebSocket), or every connection had a request ' +
        '(HTTP; more --connections may help)',
    );
  return warnings;
}
