/** Real Redis servers for tests: one, a cluster of three, or sentinels beside one. */
import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';

const run = promisify(execFile);
/** A replica would else wait for others for 5 s. */
const syncAtOnce = ['--repl-diskless-sync-delay', '0'];

export interface RedisServer {
  readonly port: number;
  readonly url: string;
  readonly dir: string;
  readonly pid: number;
  signal(name: NodeJS.Signals): void;
  /** Ends it at once, as a crash would. Its folder, and so its data if it keeps any, stays. */
  kill(): Promise<void>;
  /** Starts it again after `kill`, on the same port. */
  restart(): Promise<void>;
  /** One command. */
  command(...args: readonly string[]): Promise<unknown>;
  stop(): Promise<void>;
}

/** @param args more options of redis-server */
export async function startRedis(args: readonly string[] = []): Promise<RedisServer> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-redis-'));
  const own = ['--bind', '127.0.0.1', '--save', '', '--dir', dir, ...syncAtOnce, ...args];
  const started = await startOnFreePort(own);
  const { port, options } = started;
  let { child } = started;
  const kill = async (): Promise<void> => end(child, 'SIGKILL');
  return {
    port,
    dir,
    url: `redis://127.0.0.1:${port}`,
    get pid() {
      return child.pid as number;
    },
    signal: (name) => child.kill(name),
    kill,
    async restart() {
      child = await startProcess(options);
    },
    command: async (name, ...more) => commandOf(port, name, more),
    async stop() {
      child.kill('SIGCONT');
      await kill();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

export interface RedisCluster {
  readonly nodes: readonly RedisServer[];
  readonly url: string;
  /** Moves slots with what is in them from one node to the next. */
  moveSlots(count: number): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Three masters; with replicas, one of each.
 * @param options more ones of redis-server
 */
export async function startCluster(replicas = 0, options: readonly string[] = []): Promise<RedisCluster> {
  const count = 3 * (1 + replicas);
  const clustered = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '1000', ...options];
  const nodes = await Promise.all(Array.from({ length: count }, async () => startRedis(clustered)));
  const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`);
  const create = [
    '--cluster',
    'create',
    ...addresses,
    '--cluster-replicas',
    String(replicas),
    '--cluster-yes',
  ];
  await run('redis-cli', create);
  for (const { port } of nodes) await untilClusterIsUp(port);
  let moves = 0;
  return {
    async moveSlots(slots) {
      const [from, to] = [nodes[moves % 3] as RedisServer, nodes[(moves + 1) % 3] as RedisServer];
      moves++;
      const [source, target] = [await from.command('CLUSTER', 'MYID'), await to.command('CLUSTER', 'MYID')];
      const args = [
        '--cluster-from',
        String(source),
        '--cluster-to',
        String(target),
        '--cluster-slots',
        String(slots),
      ];
      await run('redis-cli', ['--cluster', 'reshard', addresses[0] as string, ...args, '--cluster-yes']);
    },
    nodes,
    url: `redis+cluster://${addresses.join(',')}`,
    async stop() {
      await Promise.all(nodes.map(async (node) => node.stop()));
    },
  };
}

export interface Sentinels {
  readonly ports: readonly number[];
  signal(index: number, name: NodeJS.Signals): void;
  stop(): Promise<void>;
}

export interface SentinelOptions {
  /** What the servers with the rows ask for. */
  readonly masterPassword?: string;
  /** What the sentinels themselves ask for. */
  readonly password?: string;
}

/** Three sentinels that watch a master under the name `rows`. Resolves when they know each other and its replica. */
export async function startSentinels(
  master: RedisServer,
  { masterPassword, password }: SentinelOptions = {},
): Promise<Sentinels> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-sentinel-'));
  const ports = await Promise.all([0, 1, 2].map(freePort));
  const children = await Promise.all(
    ports.map(async (port) => {
      const file = join(dir, `${port}.conf`);
      const lines = [
        `port ${port}`,
        'bind 127.0.0.1',
        `dir ${dir}`,
        `sentinel monitor rows 127.0.0.1 ${master.port} 2`,
        'sentinel down-after-milliseconds rows 500',
        'sentinel failover-timeout rows 3000',
        ...(masterPassword === undefined ? [] : [`sentinel auth-pass rows ${masterPassword}`]),
        ...(password === undefined ? [] : [`requirepass ${password}`, `sentinel sentinel-pass ${password}`]),
      ];
      await writeFile(file, `${lines.join('\n')}\n`);
      return startProcess([file, '--sentinel'], '+monitor master');
    }),
  );
  for (const port of ports) await untilSentinelsAgree(port, password);
  return {
    ports,
    signal: (index, name) => children[index]?.kill(name),
    async stop() {
      await Promise.all(children.map(async (child) => end(child, 'SIGKILL')));
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function untilSentinelsAgree(port: number, password: string | undefined): Promise<void> {
  const reply = (await commandOf(port, 'SENTINEL', ['MASTER', 'rows'], password)) as string[];
  const value = (name: string): string | undefined => reply[reply.indexOf(name) + 1];
  if (value('num-other-sentinels') === '2' && value('num-slaves') === '1') return;
  await new Promise((resolve) => setTimeout(resolve, 50));
  await untilSentinelsAgree(port, password);
}

async function untilClusterIsUp(port: number): Promise<void> {
  const info = String(await commandOf(port, 'CLUSTER', ['INFO']));
  if (info.includes('cluster_state:ok')) return;
  await new Promise((resolve) => setTimeout(resolve, 50));
  await untilClusterIsUp(port);
}

export async function commandOf(
  port: number,
  name: string,
  args: readonly string[],
  password?: string,
): Promise<unknown> {
  const auth = password === undefined ? {} : { password };
  const client = new Redis({
    port,
    protocol: 2,
    lazyConnect: true,
    retryStrategy: () => null,
    enableReadyCheck: false,
    ...auth,
  });
  // What goes wrong is told by the command.
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await client.call(name, [...args]);
  } finally {
    client.disconnect();
  }
}

/** Resolves when it says that it is ready. */
async function startProcess(
  options: readonly string[],
  readyText = 'Ready to accept connections',
): Promise<ChildProcess> {
  const child = spawn('redis-server', options, { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise<void>((resolve, reject) => {
    let text = '';
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`redis-server ended with ${code}: ${text}`)));
    child.stdout.on('data', (data: Buffer) => {
      text += data.toString();
      if (text.includes(readyText)) resolve();
    });
  });
  return child;
}

interface Started {
  readonly port: number;
  readonly options: readonly string[];
  readonly child: ChildProcess;
}

/** Other tests look for free ports at the same time. */
async function startOnFreePort(own: readonly string[], triesLeft = 10): Promise<Started> {
  const port = await freePort();
  const options = ['--port', String(port), ...own];
  try {
    return { port, options, child: await startProcess(options) };
  } catch (error) {
    if (triesLeft === 0 || !/Address already in use/.test((error as Error).message)) throw error;
    return startOnFreePort(own, triesLeft - 1);
  }
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  await new Promise((resolve) => {
    child.once('exit', resolve);
    child.kill(signal);
  });
}

/** A cluster also listens 10,000 above its port. */
export async function freePort(): Promise<number> {
  for (;;) {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    if (port < 55_535) return port;
    const lower = 20_000 + (port % 10_000) + Math.floor(Math.random() * 1000);
    if (await isFree(lower)) return lower;
  }
}

async function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
