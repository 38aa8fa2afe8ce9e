/** The charts of the report: units over time, what arms are worth, and how their difference was known over time. */
import type { ExperimentReport, MetricReport } from '../../experiments/report.ts';
import { lineChart } from '../../loadtest/chart.ts';
import type { AxisOptions, Series } from '../../loadtest/chart.ts';
import { formatCount, formatSigned, formatValue } from './figures.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Earlier intervals are so wide that nothing could be seen beside them. */
const WIDEST = 6;

export function unitsChart(report: ExperimentReport): string {
  const { running, arms } = report;
  if (running.length < 2) return '';
  const time = timeAxis(report);
  const series = arms.map(({ variant }, arm): Series => ({
    name: variant,
    points: running.map(({ timeMs, units }) => ({ x: time.at(timeMs), y: units[arm] ?? 0 })),
  }));
  return lineChart({
    title: 'Units over time',
    x: time.axis,
    y: { label: 'units', scale: 'linear', format: formatCount },
    series,
  });
}

export function posteriorChart({ arms }: ExperimentReport, metric: MetricReport): string {
  const series = metric.arms.map(({ density }, arm): Series => ({
    name: arms[arm]?.variant ?? '',
    points: density.map(({ x, density: y }) => ({ x, y })),
    isFilled: true,
  }));
  if (series.every(({ points }) => points.length === 0)) return '';
  return lineChart({
    title: `${metric.name}: what the arms are worth`,
    x: { label: metric.name, scale: 'fitted', format: formatValue },
    y: { label: 'how likely', scale: 'linear', format: () => '' },
    series,
  });
}

export function runningChart(report: ExperimentReport, metric: MetricReport): string {
  const time = timeAxis(report);
  const series = metric.contrasts.flatMap(({ arm }, i): Series[] => {
    const all = metric.running[i] ?? [];
    const last = all.at(-1);
    if (last === undefined) return [];
    const shown = all.filter(({ lower, upper }) => upper - lower <= WIDEST * (last.upper - last.lower));
    return [
      {
        name: `${report.arms[arm]?.variant} against ${report.arms[0]?.variant}`,
        points: shown.map(({ timeMs, difference }) => ({ x: time.at(timeMs), y: difference })),
        band: shown.map(({ timeMs, lower, upper }) => ({ x: time.at(timeMs), lower, upper })),
      },
    ];
  });
  const xs = series.flatMap(({ points }) => points.map(({ x }) => x));
  if (xs.length < 2) return '';
  const zero = [Math.min(...xs), Math.max(...xs)].map((x) => ({ x, y: 0 }));
  return lineChart({
    title: `${metric.name}: the difference, always valid`,
    x: time.axis,
    y: { label: 'difference', scale: 'fitted', format: formatSigned },
    series: [...series, { name: 'no difference', points: zero, isReference: true }],
  });
}

interface TimeScale {
  readonly axis: AxisOptions;
  readonly at: (timeMs: number) => number;
}

/** Time since the first exposure. */
function timeAxis({ firstExposureMs = 0, lastExposureMs = 0 }: ExperimentReport): TimeScale {
  const isShort = lastExposureMs - firstExposureMs < 3 * DAY_MS;
  const [unitMs, name] = isShort ? [HOUR_MS, 'hours'] : [DAY_MS, 'days'];
  return {
    axis: {
      label: `${name} since the first exposure`,
      scale: 'linear',
      format: (value) => formatValue(value),
    },
    at: (timeMs) => (timeMs - firstExposureMs) / unitMs,
  };
}
