/** What the demo shows: an experiment as the project file has it, or a canary that is broken. */
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';

export const scenarios = ['ab', 'bad-canary'] as const;
export type Scenario = (typeof scenarios)[number];

/** The mistake of the broken version: it answers the column of "on time" as that of "late". */
const brokenModel = "outputs: { delayed: 'probabilities[0]' }\n";
const BROKEN_VERSION = '4';
export const BROKEN_VARIANT = 'swapped';

/** Of the canary: short steps, since a replay takes a minute. */
export const badCanary = {
  serve: 'gbm',
  canary: {
    name: 'swapped-columns',
    candidate: BROKEN_VARIANT,
    steps: [5, 25, 50, 100],
    interval: '5s',
    samples_min: 100,
    guardrails: [
      { metric: 'error_rate', increase_max: 2 },
      { metric: 'latency', quantile: 0.9, ratio_max: 3 },
      { metric: 'output', output: 'delayed', distance_max: 0.25 },
    ],
  },
} as const;

/** What is kept at run time, and what trains, stays where it is. */
function isPart(path: string): boolean {
  return !['.millrace', 'train'].includes(basename(path));
}

/**
 * The demo project with one more version of its model, a broken one, as a variant that nobody gets yet.
 * @returns its folder
 */
export async function writeBrokenProject(demoDir: string, scratch: string): Promise<string> {
  const dir = join(scratch, 'project');
  await cp(demoDir, dir, { recursive: true, filter: isPart });
  const version = join(dir, 'flight-delay', BROKEN_VERSION);
  await mkdir(version, { recursive: true });
  await cp(join(dir, 'flight-delay', '3', 'model.onnx'), join(version, 'model.onnx'));
  await writeFile(join(version, 'model.yaml'), brokenModel);
  const file = join(dir, 'millrace.yaml');
  await writeFile(file, withBrokenVariant(await readFile(file, 'utf8')));
  return dir;
}

/** The demo's project file, without its experiment, and with the broken version as one more variant. */
function withBrokenVariant(text: string): string {
  const [endpoint = ''] = text.split(/^ {4}# How the traffic is split/m);
  return `${endpoint}      ${BROKEN_VARIANT}: { model: flight-delay@${BROKEN_VERSION} }\n`;
}
