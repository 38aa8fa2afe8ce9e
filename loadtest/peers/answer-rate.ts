/** Counts the answers that sockets get, for a while. */
import type { Socket } from 'node:net';
import { setTimeout } from 'node:timers/promises';

export interface SocketEvents {
  readonly answered: (count: number) => void;
  readonly failed: (error: Error) => void;
}

/**
 * Answers per second.
 * @param open opens the sockets, each of which keeps the server busy until it is destroyed
 * @throws Error the first one that a socket failed with
 */
export async function answerRate(
  durationMs: number,
  open: (events: SocketEvents) => readonly Socket[],
): Promise<number> {
  let sockets: readonly Socket[] = [];
  let answers = 0;
  const failed = new Promise<never>((_resolve, reject) => {
    sockets = open({ answered: (count) => (answers += count), failed: reject });
  });
  try {
    const startedMs = performance.now();
    await Promise.race([setTimeout(durationMs), failed]);
    return (answers / (performance.now() - startedMs)) * 1000;
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}
