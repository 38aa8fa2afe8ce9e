/** How long after a write is acknowledged another process serves it. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { CachedStore } from '../../../src/features/cached-store.ts';
import type { Visible } from './coherence-peer.ts';
import { coherenceView as view } from './coherence-view.ts';

/**
 * @param writer a store of this process
 * @param reader a process that runs coherence-peer.ts
 * @returns milliseconds, ascending; 0 = it was served before the writer heard of its own write
 */
export async function writeToVisibleMs(
  writer: CachedStore,
  reader: ChildProcess,
  keys: readonly string[],
  count: number,
): Promise<number[]> {
  const delaysMs: number[] = [];
  for (let i = 0; i < count; i++) {
    const visible: Visible = { key: keys[i % keys.length] as string, value: i + 0.5 };
    const seen = once(reader, 'message');
    reader.send({ type: 'await', visible });
    await writer.write([{ view, key: visible.key, row: [Date.now(), visible.value] }]);
    const acknowledgedMs = performance.timeOrigin + performance.now();
    const [{ seenAtMs }] = (await seen) as [{ seenAtMs: number }];
    delaysMs.push(Math.max(0, seenAtMs - acknowledgedMs));
  }
  return delaysMs.sort((a, b) => a - b);
}
