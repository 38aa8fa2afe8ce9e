/** Real Redis servers for tests: one, or a cluster of three. */
import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
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
  const port = await freePort();
  const dir = await mkdtemp(join(tmpdir(), 'millrace-redis-'));
  const options = [
    '--port',
    String(port),
    '--bind',
    '127.0.0.1',
    '--save',
    '',
    '--dir',
    dir,
    ...syncAtOnce,
    ...args,
  ];
  let child = await startProcess(options);
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

/** Three masters; with replicas, one of each. */
export async function startCluster(replicas = 0): Promise<RedisCluster> {
  const count = 3 * (1 + replicas);
  const clustered = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '1000'];
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

async function untilClusterIsUp(port: number): Promise<void> {
  const info = String(await commandOf(port, 'CLUSTER', ['INFO']));
  if (info.includes('cluster_state:ok')) return;
  await new Promise((resolve) => setTimeout(resolve, 50));
  await untilClusterIsUp(port);
}

async function commandOf(port: number, name: string, args: readonly string[]): Promise<unknown> {
  const client = new Redis({ port, protocol: 2, lazyConnect: true });
  await client.connect();
  try {
    return await client.call(name, [...args]);
  } finally {
    client.disconnect();
  }
}

async function startProcess(options: readonly string[]): Promise<ChildProcess> {
  const child = spawn('redis-server', options, { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise<void>((resolve, reject) => {
    let text = '';
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`redis-server ended with ${code}: ${text}`)));
    child.stdout.on('data', (data: Buffer) => {
      text += data.toString();
      if (text.includes('Ready to accept connections')) resolve();
    });
  });
  return child;
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  await new Promise((resolve) => {
    child.once('exit', resolve);
    child.kill(signal);
  });
}

/** A cluster also listens 10,000 above its port. */
async function freePort(): Promise<number> {
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
