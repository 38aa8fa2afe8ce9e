/** A server to measure, as a fresh process that prints `{"port": …, "msg": "ready"}` lines as Millrace's log does. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

export interface Peer {
  readonly name: string;
  /** Path of the predict call. */
  readonly path: string;
  readonly command: string;
  readonly args: readonly string[];
}

export interface PeerProcess {
  readonly port: number;
  /** CPU time of the process so far, in user and kernel mode; undefined where /proc does not tell. */
  cpuMs(): number | undefined;
  /** Likewise of its main thread alone. */
  mainThreadMs(): number | undefined;
  /** Resolves when it has ended. @param signal default SIGKILL */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

export interface StartOptions {
  /** In a process group of its own, which a Ctrl-C in the terminal does not reach. */
  readonly detached?: boolean;
}

/** Linux counts CPU time in hundredths of a second in /proc, whatever its clock. */
const TICK_MS = 10;

/** @throws Error if it ends before it is ready */
export async function startPeer(peer: Peer, options: StartOptions = {}): Promise<PeerProcess> {
  const { detached = false } = options;
  const child = spawn(peer.command, peer.args, { stdio: ['ignore', 'pipe', 'inherit'], detached });
  const port = await readyPort(peer, child);
  return {
    port,
    cpuMs: () => cpuMs(`/proc/${child.pid}/stat`),
    mainThreadMs: () => cpuMs(`/proc/${child.pid}/task/${child.pid}/stat`),
    async stop(signal = 'SIGKILL') {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill(signal);
      await ended;
    },
  };
}

async function readyPort(peer: Peer, child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', () => reject(new Error(`${peer.name} ended before it was ready`)));
    let port = NaN;
    // Reads to the end: a full pipe would block the server.
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      const entry = JSON.parse(line) as { port?: number; msg?: string };
      port = entry.port ?? port;
      if (entry.msg === 'ready') resolve(port);
    });
  });
}

function cpuMs(statPath: string): number | undefined {
  try {
    // The second field is the name in brackets, which may hold spaces. User and system time are fields 14 and 15.
    const fields = readFileSync(statPath, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
  } catch {
    return undefined;
  }
}
