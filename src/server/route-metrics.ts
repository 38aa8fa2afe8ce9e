/** Counts and latencies of one route, bound to their labels when the route is made. */
import { latencyBoundsSeconds } from '../telemetry/metrics.ts';
import type { Counter, Histogram, Metrics } from '../telemetry/metrics.ts';

export interface RouteMetrics {
  readonly route: string;
  /** Empty = the route has none. */
  readonly endpoint: string;
  /** @param status 0 = the caller hung up before the answer. */
  count(status: number, seconds: number): void;
}

/** @param endpoint name of the endpoint, or '' for routes that have none. */
export function createRouteMetrics(metrics: Metrics, route: string, endpoint: string): RouteMetrics {
  const byStatus: (Counter | undefined)[] = [];
  const createDurations = (): Histogram =>
    metrics.histogram(
      'millrace_request_duration_seconds',
      'Time from the headers of a request to its answer.',
      latencyBoundsSeconds,
      { route, endpoint },
    );
  // Made at the first request: a route that nobody calls would only fill the page.
  let durations: Histogram | undefined;
  const counterFor = (status: number): Counter =>
    metrics.counter('millrace_requests_total', 'Requests by status; "aborted" = the caller hung up.', {
      route,
      endpoint,
      status: status === 0 ? 'aborted' : String(status),
    });
  return {
    route,
    endpoint,
    count(status, seconds) {
      let counter = byStatus[status];
      if (counter === undefined) {
        counter = counterFor(status);
        byStatus[status] = counter;
      }
      counter.add(1);
      durations ??= createDurations();
      durations.observe(seconds);
    },
  };
}
