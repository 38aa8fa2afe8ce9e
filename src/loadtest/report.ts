/** A load test as a whole: what ran, where, and what it found. The JSON file holds exactly this, in snake_case. */
import { cpus, platform, release, totalmem } from 'node:os';
import type { LoadPlan, ScenarioResult } from './scenario.ts';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly os: string;
  readonly node: string;
}

export interface LoadTestReport {
  readonly title: string;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly server: string;
  readonly command: string;
  readonly machine: Machine;
  readonly plan: LoadPlan;
  /** Stopped before it was through. */
  readonly endedEarly: boolean;
  readonly scenarios: readonly ScenarioResult[];
}

export function describeMachine(): Machine {
  const [cpu] = cpus();
  return {
    cpu: cpu?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryBytes: totalmem(),
    os: `${platform()} ${release()}`,
    node: process.version,
  };
}

/** A number without a bound, as the last bucket of batch sizes, is null. */
export function reportJson(report: LoadTestReport): string {
  return `${JSON.stringify(snakeCased(report), undefined, 2)}\n`;
}

function snakeCased(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(snakeCased);
  if (typeof value === 'number' && !Number.isInteger(value)) return Number(value.toPrecision(6));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [snakeCase(name), snakeCased(inner)]),
  );
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
