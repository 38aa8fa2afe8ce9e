/** Scenarios one after the other: progress and each result on standard error, the table on standard output, files. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { MillraceError } from '../../errors.ts';
import {
  formatMs,
  formatRate,
  kneeNotes,
  overloadNotes,
  notesOf,
  progressNote,
  tableCells,
  tableHead,
} from '../../loadtest/figures.ts';
import type { Knee } from '../../loadtest/knee.ts';
import type { Measurement, RunProgress } from '../../loadtest/measurement.ts';
import { reportHtml } from '../../loadtest/report-html.ts';
import type { LoadTestReport } from '../../loadtest/report.ts';
import { describeMachine, reportJson } from '../../loadtest/report.ts';
import type { LoadPlan, Scenario, ScenarioHooks, ScenarioResult } from '../../loadtest/scenario.ts';
import { runScenario } from '../../loadtest/scenario.ts';
import { createProgress } from '../progress.ts';
import type { Progress } from '../progress.ts';
import { formatTable } from '../table.ts';

export interface LoadTest {
  readonly title: string;
  /** As it was typed. */
  readonly command: string;
  readonly server: string;
  readonly scenarios: readonly { readonly scenario: Scenario; readonly plan: LoadPlan }[];
  readonly jsonPath?: string | undefined;
  readonly htmlPath?: string | undefined;
}

/** Characters of a scenario's name that leave room for the figures behind the bar. */
const LABEL_MAX = 20;

/**
 * Runs and shows a load test. An abort ends it early, with what there is.
 * @returns whether every scenario had an answer with 200, or the test was ended early
 * @throws MillraceError LOADTEST_FAILED
 */
export async function runScenarios(test: LoadTest, signal: AbortSignal): Promise<boolean> {
  const startedAt = new Date().toISOString();
  const results: ScenarioResult[] = [];
  const display = createDisplay(signal);
  const isAlone = test.scenarios.length === 1;
  try {
    for (const { scenario, plan } of test.scenarios) {
      if (signal.aborted) break;
      results.push(await orProblem(scenario, runScenario(scenario, plan, display.hooks), isAlone));
    }
  } finally {
    display.stop();
  }
  const [first] = test.scenarios;
  if (first === undefined) throw new Error('no scenarios');
  const report: LoadTestReport = {
    title: test.title,
    startedAt,
    server: test.server,
    command: test.command,
    machine: describeMachine(),
    plan: first.plan,
    endedEarly: signal.aborted,
    scenarios: results,
  };
  process.stdout.write(reportText(report));
  if (test.jsonPath !== undefined) await write(test.jsonPath, reportJson(report));
  if (test.htmlPath !== undefined) await write(test.htmlPath, reportHtml(report));
  return (
    signal.aborted ||
    results.every(({ measurements }) => measurements.some(({ outcomes }) => outcomes.ok > 0))
  );
}

/** What the others found must not be lost with the one that could not run. */
async function orProblem(
  { name, target: { protocol, connections } }: Scenario,
  result: Promise<ScenarioResult>,
  isAlone: boolean,
): Promise<ScenarioResult> {
  try {
    return await result;
  } catch (error) {
    if (isAlone || !(error instanceof MillraceError)) throw error;
    process.stderr.write(`${name}: ${error.message}\n`);
    return {
      name,
      protocol,
      connections,
      measurements: [],
      knee: null,
      overloads: [],
      problem: error.message,
    };
  }
}

interface Display {
  readonly hooks: ScenarioHooks;
  stop(): void;
}

function createDisplay(signal: AbortSignal): Display {
  let progress: Progress | undefined;
  let shown = '';
  const stop = (): void => {
    progress?.stop();
    progress = undefined;
    shown = '';
  };
  const onProgress = (scenario: string, step: string, run: RunProgress): void => {
    const label = `${shortened(scenario)}, ${step}`;
    if (label !== shown) {
      stop();
      progress = createProgress(label);
      shown = label;
    }
    progress?.update(Math.round(run.elapsedMs), Math.round(run.totalMs), progressNote(run));
  };
  const onMeasured = (scenario: string, measurement: Measurement): void => {
    stop();
    process.stderr.write(`${scenario}, ${resultLine(measurement)}\n`);
  };
  return { hooks: { signal, onProgress, onMeasured }, stop };
}

function shortened(name: string): string {
  return name.length <= LABEL_MAX ? name : `${name.slice(0, LABEL_MAX - 1)}…`;
}

function resultLine({ load, offeredPerSecond, goodputPerSecond, latency }: Measurement): string {
  const ok = `${formatRate(goodputPerSecond)} ok/s`;
  if (offeredPerSecond === null) return `${load}: ${ok}`;
  return `${formatRate(offeredPerSecond)}/s: ${ok}, p99 ${formatMs(latency.p99Us)} ms`;
}

function reportText({ scenarios, endedEarly }: LoadTestReport): string {
  const blocks = scenarios.map(({ name, measurements, knee, overloads, problem }) => {
    if (problem !== undefined) return `${name}\n  could not run: ${problem}\n`;
    if (measurements.length === 0) return `${name}\n  nothing was measured\n`;
    const table = formatTable([tableHead, ...measurements.map(tableCells)], '  ');
    const notes = [...overloadNotes(overloads), ...notesOf(measurements)].map((note) => `  ${note}\n`);
    return `${name}, latencies in ms\n${table}${kneeText(knee)}${notes.join('')}`;
  });
  return `${blocks.join('\n')}${endedEarly ? '\nstopped before it was through\n' : ''}`;
}

function kneeText(knee: Knee | null): string {
  if (knee === null) return '';
  const { ratePerSecond, p99Us, p99UsMax } = knee;
  const limit = `(limit ${formatMs(p99UsMax)} ms)`;
  const line = `knee: ${formatRate(ratePerSecond)}/s with p99 ${formatMs(p99Us)} ms ${limit}`;
  return [line, ...kneeNotes(knee)].map((each) => `  ${each}\n`).join('');
}

async function write(path: string, text: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  } catch (cause) {
    throw new MillraceError('LOADTEST_FAILED', `cannot write ${path}: ${(cause as Error).message}`, {
      cause,
    });
  }
  process.stderr.write(`wrote ${path}\n`);
}
