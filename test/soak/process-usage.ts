/** What the processes of a server hold, as the system tells it (Linux). */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import { WebSocket } from 'ws';

export interface Usage {
  /** Memory of the process's own; pages of mapped files belong to the cache of the system. */
  readonly ownBytes: number;
  readonly descriptors: number;
}

export interface Inspected {
  /** When no garbage is left: what waits to be collected tells nothing of what is kept. */
  usage(): Promise<Usage>;
  close(): void;
}

const KIBIBYTE = 1024;
/** What only finalizers let go of is collected after they have run. */
const COLLECTIONS = 3;

/**
 * To be set in the environment of a process that is to be inspected. The allocator gives back what is freed: what it
 * would keep for later tells nothing of the server.
 */
export const INSPECTABLE = {
  NODE_OPTIONS: '--inspect=127.0.0.1:0',
  MALLOC_ARENA_MAX: '1',
  MALLOC_TRIM_THRESHOLD_: '65536',
  MALLOC_MMAP_THRESHOLD_: '65536',
};

/** @param child was started with {@link INSPECTABLE} a moment ago */
export async function inspect(child: ChildProcess): Promise<Inspected> {
  const socket = new WebSocket(await inspectorUrl(child));
  await once(socket, 'open');
  let lastId = 0;
  const collect = async (): Promise<void> => {
    const id = ++lastId;
    const answered = new Promise<void>((resolve) => {
      const hear = (text: Buffer): void => {
        if ((JSON.parse(text.toString()) as { id?: number }).id !== id) return;
        socket.off('message', hear);
        resolve();
      };
      socket.on('message', hear);
    });
    socket.send(JSON.stringify({ id, method: 'HeapProfiler.collectGarbage' }));
    await answered;
  };
  return {
    async usage() {
      for (let i = 0; i < COLLECTIONS; i++) await collect();
      return usageOf(child.pid as number);
    },
    close: () => socket.terminate(),
  };
}

async function inspectorUrl({ stderr }: ChildProcess): Promise<string> {
  let text = '';
  return new Promise((resolve) => {
    const hear = (chunk: Buffer): void => {
      text += chunk.toString();
      const [, url] = /Debugger listening on (ws:\S+)\n/.exec(text) ?? [];
      if (url === undefined) return;
      stderr?.off('data', hear);
      resolve(url);
    };
    stderr?.on('data', hear);
  });
}

function usageOf(pid: number): Usage {
  const [, ownKibibytes] = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return {
    ownBytes: Number(ownKibibytes) * KIBIBYTE,
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
  };
}

export function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return text.trim().split(' ').filter(Boolean).map(Number);
}
