/**
 * The metrics of several processes made into one, as plain data. Counters and histograms are added up; each gauge says
 * what becomes of it. The rules and their names are prom-client's, whose process metrics carry them too.
 */

/** How the values that several processes have for the same labels become one; `omit` leaves the family out. */
export type AcrossProcesses = 'sum' | 'max' | 'min' | 'average' | 'first' | 'omit';

export interface MetricSample {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
  /** Where it is not the name of the family: `…_bucket`, `…_sum` and `…_count` of a histogram. */
  readonly metricName?: string;
}

/** A metric with all its label values. */
export interface MetricFamily {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'histogram' | 'gauge';
  readonly aggregator: AcrossProcesses;
  readonly values: readonly MetricSample[];
}

const rules: Readonly<Record<Exclude<AcrossProcesses, 'omit'>, (values: readonly number[]) => number>> = {
  sum: total,
  max: (values) => values.reduce((a, b) => Math.max(a, b)),
  min: (values) => values.reduce((a, b) => Math.min(a, b)),
  average: (values) => total(values) / values.length,
  first: ([value]) => value ?? NaN,
};

/** One list of families from those of each process. */
export function mergeFamilies(processes: Iterable<Iterable<MetricFamily>>): MetricFamily[] {
  const byName = new Map<string, MetricFamily[]>();
  for (const families of processes) {
    for (const family of families) append(byName, family.name, family);
  }
  return [...byName.values()].flatMap(mergeFamily);
}

/** What goes on counting when a process ends: its gauges are gone with it. */
export function totalsOf(families: Iterable<MetricFamily>): MetricFamily[] {
  return [...families].filter(({ type }) => type === 'counter' || type === 'histogram');
}

function mergeFamily(families: readonly MetricFamily[]): MetricFamily[] {
  const [first] = families;
  if (first === undefined || first.aggregator === 'omit') return [];
  const rule = rules[first.aggregator];
  const samples = new Map<string, MetricSample[]>();
  for (const { values } of families) {
    for (const sample of values) append(samples, sampleKey(sample), sample);
  }
  const values = [...samples.values()].map((same) => ({
    ...(same[0] as MetricSample),
    value: rule(same.map(({ value }) => value)),
  }));
  return [{ ...first, values }];
}

/** Processes that ran different versions of the project may have bound the labels in another order. */
function sampleKey({ metricName = '', labels }: MetricSample): string {
  const sorted = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([metricName, sorted]);
}

function append<T>(lists: Map<string, T[]>, key: string, item: T): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [item]);
  else list.push(item);
}

function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
