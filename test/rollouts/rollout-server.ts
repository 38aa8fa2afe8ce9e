/**
 * A served project whose endpoint `m` has several variants. Each answers `{ y }` of `request.a`: `plain` as it is, `plus`
 * with 1 more, `minus` with 1 less, `far` with 0.4 less; `failing` fails where `a` is below 0.5, `slow` takes its time,
 * `heavy` some 25 ms, and `endless` never answers.
 */
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadProject } from '../../src/project/read-project.ts';
import { createServer } from '../../src/server/server.ts';
import type { Server } from '../../src/server/server.ts';
import type { ServerOptions } from '../../src/server/server-options.ts';
import { createLog } from '../../src/telemetry/log.ts';

const versions: Readonly<Record<string, { readonly model: string; readonly input: string }>> = {
  plain: { model: 'identity_float32', input: 'request.a' },
  plus: { model: 'identity_float32', input: 'request.a + 1' },
  minus: { model: 'identity_float32', input: 'request.a - 1' },
  far: { model: 'identity_float32', input: 'request.a - 0.4' },
  failing: { model: 'rejects_zeros', input: 'request.a < 0.5 ? 0 : 101' },
  slow: { model: 'slow', input: 'request.a' },
  heavy: { model: 'heavy', input: 'request.a' },
  endless: { model: 'endless', input: 'request.a' },
};

export interface RolloutProjectOptions {
  /** Names of `versions`; the first one is served. */
  readonly variants: readonly string[];
  /** More variants, each with the model of one of `variants`. */
  readonly twins?: Readonly<Record<string, string>>;
  readonly rollout?: object;
  readonly unit?: unknown;
  /** Sections of the project file besides. */
  readonly sections?: object;
  /** Other endpoints, by name: their rollouts. They have the same variants and unit. */
  readonly others?: Readonly<Record<string, object>>;
}

export async function writeRolloutProject(dir: string, options: RolloutProjectOptions): Promise<void> {
  const { variants, twins = {}, rollout, unit = 'user', sections = {}, others = {} } = options;
  const models = [...variants.map((variant) => [variant, variant] as const), ...Object.entries(twins)];
  const named = models.map(([variant, version]) => [variant, { model: `m@${numberOf(version)}` }]);
  const endpoint = {
    request: { user: { type: 'string', optional: true }, a: 'float64' },
    unit,
    variants: Object.fromEntries(named) as object,
    log: { sample: 1 },
  };
  const endpoints = {
    m: { ...endpoint, rollout },
    ...Object.fromEntries(
      Object.entries(others).map(([name, other]) => [name, { ...endpoint, rollout: other }]),
    ),
  };
  const events = { bought: { fields: { user: 'string', price: 'float64' } } };
  await mkdir(join(dir, 'm'), { recursive: true });
  await writeFile(
    join(dir, 'millrace.json'),
    JSON.stringify({ project: 'shop', events, endpoints, ...sections }),
  );
  for (const variant of variants) await writeVersion(dir, variant);
}

async function writeVersion(dir: string, variant: string): Promise<void> {
  const { model, input } = versions[variant] as (typeof versions)[string];
  const folder = join(dir, 'm', numberOf(variant));
  await mkdir(folder, { recursive: true });
  await cp(new URL(`../cases/models/${model}.onnx`, import.meta.url), join(folder, 'model.onnx'));
  await writeFile(join(folder, 'model.json'), JSON.stringify(descriptionOf(model, input)));
}

function descriptionOf(model: string, input: string): object {
  // Said, because on a busy machine a run may seem to be slow, and is moved to a thread.
  const execution = 'inline';
  if (model === 'rejects_zeros')
    return { inputs: { index: [input] }, outputs: { y: 'value' }, warmup: false, execution };
  if (['slow', 'heavy', 'endless'].includes(model))
    return { inputs: { x: [input] }, outputs: { y: 'y' }, warmup: model !== 'endless' };
  return { inputs: { x: [input, '0'] }, outputs: { y: 'y[0]' }, execution };
}

/** The version of the model that a variant has. */
export function numberOf(variant: string): string {
  return String(Object.keys(versions).indexOf(variant) + 1);
}

export interface RolloutServer {
  readonly dir: string;
  readonly server: Server;
  /** Another server of the same project and data folder. */
  another(): Promise<Server>;
  /** Stops the server and starts it again, with another rollout in the project file if one is given. */
  restart(rollout?: object): Promise<void>;
  stop(): Promise<void>;
}

export async function startRolloutServer(
  options: RolloutProjectOptions,
  serverOptions: Partial<ServerOptions> = {},
): Promise<RolloutServer> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-rollouts-'));
  const start = async (): Promise<Server> =>
    createServer(await loadProject(dir), {
      dataDir: join(dir, 'data'),
      port: 0,
      log: createLog('silent'),
      ...serverOptions,
    });
  await writeRolloutProject(dir, options);
  let server = await start();
  const others: Server[] = [];
  return {
    dir,
    get server() {
      return server;
    },
    async another() {
      const other = await start();
      others.push(other);
      return other;
    },
    async restart(rollout) {
      await server.close();
      if (rollout !== undefined) await writeRolloutProject(dir, { ...options, rollout });
      server = await start();
    },
    async stop() {
      await Promise.all([server, ...others].map(async (each) => each.close()));
      await rm(dir, { recursive: true, force: true });
    },
  };
}
