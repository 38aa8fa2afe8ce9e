/** Charts as SVG text: lines and bars, with axes, a legend and a tooltip on every point. Colours are in report-style.ts. */
import type { Axis, AxisScale } from './axis.ts';
import { createAxis } from './axis.ts';
import { escapeHtml } from './html-text.ts';

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Series {
  readonly name: string;
  readonly points: readonly Point[];
  /** Something to compare with, not a finding: drawn dashed and grey. */
  readonly isReference?: boolean;
  /** What the values may be: an area behind the line. */
  readonly band?: readonly Band[];
  /** Fills the area below the line. */
  readonly isFilled?: boolean;
}

export interface Band {
  readonly x: number;
  readonly lower: number;
  readonly upper: number;
}

export interface AxisOptions {
  readonly label: string;
  readonly scale: AxisScale;
  readonly format: (value: number) => string;
}

export interface LineChart {
  readonly title: string;
  readonly x: AxisOptions;
  readonly y: AxisOptions;
  readonly series: readonly Series[];
  /** Upright lines with a name. */
  readonly marks?: readonly { readonly x: number; readonly label: string }[];
}

export interface BarChart {
  readonly title: string;
  readonly xLabel: string;
  readonly y: AxisOptions;
  readonly groups: readonly string[];
  /** One value for each group. */
  readonly series: readonly { readonly name: string; readonly values: readonly number[] }[];
}

const WIDTH = 560;
const HEIGHT = 300;
const LEFT = 64;
const RIGHT = WIDTH - 20;
const TOP = 20;
const BOTTOM = HEIGHT - 46;
/** More than this would hide the line; they are shown when pointed at. */
const DOTS_MAX = 20;
const BAR_GAP_SHARE = 0.25;

export function lineChart({ title, x, y, series, marks = [] }: LineChart): string {
  const points = series.flatMap((each) => each.points);
  const bounds = series.flatMap(({ band = [] }) => band.flatMap(({ lower, upper }) => [lower, upper]));
  const markXs = marks.map((mark) => mark.x);
  const xAxis = createAxis(x.scale, [...points.map((point) => point.x), ...markXs], LEFT, RIGHT);
  const yAxis = createAxis(y.scale, [...points.map((point) => point.y), ...bounds], BOTTOM, TOP);
  const parts = [
    verticalGrid(yAxis, y),
    ...labelledTicks(xAxis).map((tick) => xTick(xAxis.at(tick), x.format(tick))),
    axisLabels(x.label, y.label),
    ...marks.map((mark) => markLine(xAxis.at(mark.x), mark.label)),
    ...series.map((each, index) => area(each, index, xAxis, yAxis)),
    ...series.map((each, index) => line(each, index, xAxis, yAxis, (point) => tooltip(each, point, x, y))),
  ];
  return figure(title, parts, series);
}

export function barChart({ title, xLabel, y, groups, series }: BarChart): string {
  const values = series.flatMap((each) => each.values);
  const yAxis = createAxis('linear', values, BOTTOM, TOP);
  const slot = (RIGHT - LEFT) / groups.length;
  const width = (slot * (1 - BAR_GAP_SHARE)) / series.length;
  const bars = series.flatMap((each, s) =>
    each.values.map((value, g) => {
      const left = LEFT + g * slot + (slot * BAR_GAP_SHARE) / 2 + s * width;
      const top = yAxis.at(value);
      const label = `${each.name}, ${groups[g]}: ${y.format(value)}`;
      const shape = `x="${px(left)}" y="${px(top)}" width="${px(width)}" height="${px(BOTTOM - top)}"`;
      return `<rect class="bar s${s}" ${shape}><title>${escapeHtml(label)}</title></rect>`;
    }),
  );
  const ticks = groups.map((group, g) => xTick(LEFT + (g + 0.5) * slot, group));
  const parts = [verticalGrid(yAxis, y), ...ticks, axisLabels(xLabel, y.label), ...bars];
  return figure(title, parts, series);
}

interface Named {
  readonly name: string;
  readonly isReference?: boolean;
}

function figure(title: string, parts: readonly string[], series: readonly Named[]): string {
  const keys = series.map(
    ({ name, isReference = false }, s) =>
      `<span class="key ${isReference ? 'reference' : `s${s}`}">${escapeHtml(name)}</span>`,
  );
  return [
    `<figure><figcaption>${escapeHtml(title)}</figcaption>`,
    `<div class="legend">${keys.join('')}</div>`,
    `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escapeHtml(title)}">`,
    ...parts,
    '</svg></figure>',
  ].join('\n');
}

function line(
  { points, isReference = false }: Series,
  index: number,
  xAxis: Axis,
  yAxis: Axis,
  describe: (point: Point) => string,
): string {
  const kind = isReference ? 'reference' : `s${index}`;
  const path = points.map(({ x, y }, i) => `${i === 0 ? 'M' : 'L'}${px(xAxis.at(x))} ${px(yAxis.at(y))}`);
  const isDense = points.length > DOTS_MAX;
  const dots = isReference
    ? []
    : points.map(({ x, y }) => {
        const label = escapeHtml(describe({ x, y }));
        const place = `cx="${px(xAxis.at(x))}" cy="${px(yAxis.at(y))}"`;
        return `<circle class="dot ${kind}${isDense ? ' dense' : ''}" ${place} r="3"><title>${label}</title></circle>`;
      });
  return `<path class="line ${kind}" d="${path.join(' ')}"/>${dots.join('')}`;
}

/** The band, or what is below the line. */
function area({ points, band, isFilled = false }: Series, index: number, xAxis: Axis, yAxis: Axis): string {
  const edges = band ?? (isFilled ? points.map(({ x, y }) => ({ x, lower: 0, upper: y })) : []);
  if (edges.length < 2) return '';
  const upper = edges.map((edge) => `${px(xAxis.at(edge.x))} ${px(yAxis.at(edge.upper))}`);
  const lower = edges.toReversed().map((edge) => `${px(xAxis.at(edge.x))} ${px(yAxis.at(edge.lower))}`);
  return `<path class="area s${index}" d="M${[...upper, ...lower].join('L')}Z"/>`;
}

function tooltip({ name, band }: Series, point: Point, x: AxisOptions, y: AxisOptions): string {
  const edge = band?.find((each) => each.x === point.x);
  const bounds = edge === undefined ? '' : ` (${y.format(edge.lower)} to ${y.format(edge.upper)})`;
  return `${name}: ${y.format(point.y)}${bounds} at ${x.format(point.x)}`;
}

function verticalGrid(axis: Axis, { format }: AxisOptions): string {
  return axis.ticks
    .map((tick) => {
      const y = px(axis.at(tick));
      const rule = `<line class="grid" x1="${LEFT}" x2="${RIGHT}" y1="${y}" y2="${y}"/>`;
      return `${rule}<text class="tick end" x="${LEFT - 8}" y="${y}" dy="0.35em">${format(tick)}</text>`;
    })
    .join('');
}

/** Ticks whose labels do not touch each other. */
function labelledTicks(axis: Axis): number[] {
  const LABEL_PX = 56;
  let last = -Infinity;
  return axis.ticks.filter((tick) => {
    if (axis.at(tick) - last < LABEL_PX) return false;
    last = axis.at(tick);
    return true;
  });
}

function xTick(x: number, label: string): string {
  const rule = `<line class="grid" x1="${px(x)}" x2="${px(x)}" y1="${BOTTOM}" y2="${BOTTOM + 4}"/>`;
  return `${rule}<text class="tick middle" x="${px(x)}" y="${BOTTOM + 18}">${escapeHtml(label)}</text>`;
}

function axisLabels(xLabel: string, yLabel: string): string {
  const x = `<text class="label middle" x="${(LEFT + RIGHT) / 2}" y="${HEIGHT - 8}">${escapeHtml(xLabel)}</text>`;
  const turn = `transform="translate(14 ${(TOP + BOTTOM) / 2}) rotate(-90)"`;
  return `${x}<text class="label middle" ${turn}>${escapeHtml(yLabel)}</text>`;
}

function markLine(x: number, label: string): string {
  // The text stands on the side that has room.
  const isRight = x > (LEFT + RIGHT) / 2;
  const text = `x="${px(x + (isRight ? -5 : 5))}" y="${TOP - 6}"`;
  const rule = `<line class="mark" x1="${px(x)}" x2="${px(x)}" y1="${TOP - 4}" y2="${BOTTOM}"/>`;
  return `${rule}<text class="tick ${isRight ? 'end' : ''}" ${text}>${escapeHtml(label)}</text>`;
}

function px(value: number): string {
  return String(Math.round(value * 10) / 10);
}
