/**
 * Metrics in the Prometheus text format. prom-client renders them and brings the process metrics; the counters and
 * histograms of the request path are plain numbers, because prom-client hashes its labels on every `inc` and
 * `observe`. A child is bound to its label values once, at load; counting is then one addition.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { IntervalHistogram } from 'node:perf_hooks';
import { Registry, collectDefaultMetrics, register as processRegistry } from 'prom-client';
import type { Metric } from 'prom-client';
import type { AcrossProcesses, MetricFamily, MetricSample } from './merge-families.ts';

export type Labels = Readonly<Record<string, string>>;

export interface Counter {
  add(count: number): void;
}

export interface Histogram {
  /** One observation, in the unit of the metric's name. */
  observe(value: number): void;
}

export interface Metrics {
  readonly contentType: string;
  /** A counter of the family `name`, bound to its label values; the same labels give the same counter. */
  counter(name: string, help: string, labels: Labels): Counter;
  histogram(name: string, help: string, bounds: readonly number[], labels: Labels): Histogram;
  /**
   * A value that is read when the metrics are asked for.
   * @param across how the values of several processes become one; default sum
   */
  gauge(
    name: string,
    help: string,
    read: () => readonly { readonly labels: Labels; readonly value: number }[],
    across?: AcrossProcesses,
  ): void;
  /** All metrics in the Prometheus text format. */
  render(): Promise<string>;
  /**
   * The metrics as plain data, to be merged with those of other processes. `counts` leaves out the gauges and what
   * the process itself is measured by: some of those begin anew whenever they are asked for.
   */
  families(part: 'all' | 'counts'): Promise<MetricFamily[]>;
  close(): void;
}

/** Upper bounds for latencies in seconds: 100 us to 5 s. */
export const latencyBoundsSeconds: readonly number[] = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5,
];

/** Upper bounds for rows in a batch. */
export const rowBounds: readonly number[] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];

const LOOP_SAMPLE_MS = 10;

interface Child {
  samples(name: string): MetricSample[];
}

interface Family {
  readonly type: 'counter' | 'histogram' | 'gauge';
  readonly children: Map<string, Child>;
}

export function createMetrics(): Metrics {
  const registry = new Registry();
  // Of the process, not of one server: their observers cannot be stopped, so they must not be made again and again.
  if (processRegistry.getSingleMetric('process_cpu_seconds_total') === undefined) collectDefaultMetrics();
  const families = createFamilies(registry);
  const loopDelay = monitorEventLoopDelay({ resolution: LOOP_SAMPLE_MS });
  loopDelay.enable();
  register(
    registry,
    'millrace_event_loop_delay_seconds',
    'Delay of the event loop since the last scrape.',
    'gauge',
    () => loopDelaySamples(loopDelay),
    'max',
  );
  return {
    contentType: registry.contentType,
    counter: (name, help, labels) =>
      families.child(name, help, 'counter', labels, () => new PlainCounter(labels)),
    histogram: (name, help, bounds, labels) =>
      families.child(name, help, 'histogram', labels, () => new PlainHistogram(labels, bounds)),
    gauge: (name, help, read, across) => register(registry, name, help, 'gauge', () => [...read()], across),
    render: async () => `${await registry.metrics()}${await processRegistry.metrics()}`,
    families: async (part) => {
      const own = registry.getMetricsAsArray() as unknown as RegisteredMetric[];
      const asked = part === 'all' ? own : own.filter(({ type }) => type !== 'gauge');
      const found = await Promise.all(asked.map(async (metric) => metric.get()));
      if (part === 'counts') return found;
      return [...found, ...((await processRegistry.getMetricsAsJSON()) as unknown as MetricFamily[])];
    },
    close: () => {
      loopDelay.disable();
      registry.clear();
    },
  };
}

/** Families, such as those that were merged, in the Prometheus text format. */
export async function renderFamilies(families: readonly MetricFamily[]): Promise<string> {
  const registry = new Registry();
  for (const { name, help, type, values, aggregator } of families)
    register(registry, name, help, type, () => [...values], aggregator);
  return registry.metrics();
}

/** What the registry asks of a metric. */
interface RegisteredMetric {
  readonly type: MetricFamily['type'];
  get(): Promise<MetricFamily>;
}

function register(
  registry: Registry,
  name: string,
  help: string,
  type: MetricFamily['type'],
  samples: () => MetricSample[],
  aggregator: AcrossProcesses = 'sum',
): void {
  const metric = {
    name,
    help,
    type,
    aggregator,
    get: async (): Promise<MetricFamily> => ({ name, help, type, aggregator, values: samples() }),
  };
  // prom-client calls nothing but `get`, yet its type asks for one of its own classes.
  registry.registerMetric(metric as unknown as Metric);
}

interface Families {
  /** The child of a family with these labels; made when it is first asked for. */
  child<T extends Child>(
    name: string,
    help: string,
    type: MetricFamily['type'],
    labels: Labels,
    create: () => T,
  ): T;
}

function createFamilies(registry: Registry): Families {
  const families = new Map<string, Family>();
  const family = (name: string, help: string, type: MetricFamily['type']): Family => {
    const known = families.get(name);
    if (known !== undefined) return known;
    const created: Family = { type, children: new Map() };
    families.set(name, created);
    register(registry, name, help, type, () =>
      [...created.children.values()].flatMap((child) => child.samples(name)),
    );
    return created;
  };
  return {
    child<T extends Child>(
      name: string,
      help: string,
      type: MetricFamily['type'],
      labels: Labels,
      create: () => T,
    ): T {
      const { children } = family(name, help, type);
      const key = JSON.stringify(labels);
      const known = children.get(key);
      if (known !== undefined) return known as T;
      const created = create();
      children.set(key, created);
      return created;
    },
  };
}

function loopDelaySamples(loopDelay: IntervalHistogram): MetricSample[] {
  const samples: MetricSample[] = [
    { labels: { quantile: '0.5' }, value: secondsOf(loopDelay.percentile(50)) },
    { labels: { quantile: '0.99' }, value: secondsOf(loopDelay.percentile(99)) },
    { labels: { quantile: '1' }, value: loopDelay.count === 0 ? 0 : secondsOf(loopDelay.max) },
  ];
  loopDelay.reset();
  return samples;
}

/** A sample is the time between two ticks of a timer; what is above its interval is the delay. */
function secondsOf(sampleNanoseconds: number): number {
  if (!Number.isFinite(sampleNanoseconds)) return 0;
  return Math.max(0, sampleNanoseconds / 1e9 - LOOP_SAMPLE_MS / 1000);
}

class PlainCounter implements Counter {
  private total = 0;
  private readonly labels: Labels;

  constructor(labels: Labels) {
    this.labels = labels;
  }

  add(count: number): void {
    this.total += count;
  }

  samples(): MetricSample[] {
    return [{ labels: this.labels, value: this.total }];
  }
}

class PlainHistogram implements Histogram {
  private readonly labels: Labels;
  private readonly bounds: readonly number[];
  /** Observations per bound, not cumulated; the last is above every bound. */
  private readonly counts: number[];
  private sum = 0;

  constructor(labels: Labels, bounds: readonly number[]) {
    this.labels = labels;
    this.bounds = bounds;
    this.counts = new Array<number>(bounds.length + 1).fill(0);
  }

  observe(value: number): void {
    let bucket = 0;
    while (bucket < this.bounds.length && value > (this.bounds[bucket] as number)) bucket++;
    this.counts[bucket] = (this.counts[bucket] as number) + 1;
    this.sum += value;
  }

  samples(name: string): MetricSample[] {
    const samples: MetricSample[] = [];
    let cumulated = 0;
    this.counts.forEach((count, bucket) => {
      cumulated += count;
      const le = bucket === this.bounds.length ? '+Inf' : String(this.bounds[bucket]);
      samples.push({ metricName: `${name}_bucket`, labels: { ...this.labels, le }, value: cumulated });
    });
    samples.push({ metricName: `${name}_sum`, labels: this.labels, value: this.sum });
    samples.push({ metricName: `${name}_count`, labels: this.labels, value: cumulated });
    return samples;
  }
}
