import { describe, expect, it, vi } from 'vitest';
import { createDeadlineQueue } from '../../src/server/deadline-queue.ts';
import type { DeadlineEntry } from '../../src/server/deadline-queue.ts';

function entry(expired: string[], name: string): DeadlineEntry {
  return {
    enteredMs: 0,
    previous: undefined,
    next: undefined,
    queue: undefined,
    expire: () => expired.push(name),
  };
}

describe('the deadline queue', () => {
  it('expires entries in order of entry, and only those that are still waiting', () => {
    vi.useFakeTimers();
    try {
      let nowMs = 0;
      const advance = (ms: number): void => {
        nowMs += ms;
        vi.advanceTimersByTime(ms);
      };
      const queue = createDeadlineQueue(1000, () => nowMs);
      const expired: string[] = [];
      const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => entry(expired, name)) as [
        DeadlineEntry,
        DeadlineEntry,
        DeadlineEntry,
        DeadlineEntry,
      ];
      queue.enter(a);
      advance(200);
      queue.enter(b);
      queue.enter(c);
      advance(500);
      queue.enter(d);
      queue.leave(b);
      queue.leave(b);
      expect(queue.size).toBe(3);
      advance(350);
      expect(expired).toEqual(['a']);
      advance(200);
      expect(expired).toEqual(['a', 'c']);
      queue.leave(d);
      expect(queue.size).toBe(0);
      advance(5000);
      expect(expired).toEqual(['a', 'c']);
      queue.close();
    } finally {
      vi.useRealTimers();
    }
  });

  it('that is retired still expires what is in it, and keeps no timer afterwards', () => {
    vi.useFakeTimers();
    try {
      let nowMs = 0;
      const queue = createDeadlineQueue(1000, () => nowMs);
      const expired: string[] = [];
      queue.enter(entry(expired, 'last'));
      queue.retire();
      expect(vi.getTimerCount()).toBe(1);
      nowMs = 1100;
      vi.advanceTimersByTime(1100);
      expect([expired, vi.getTimerCount()]).toEqual([['last'], 0]);
    } finally {
      vi.useRealTimers();
    }
  });

  it('ignores an entry of another queue', () => {
    const first = createDeadlineQueue(1000, () => 0);
    const second = createDeadlineQueue(1000, () => 0);
    const one = entry([], 'one');
    first.enter(one);
    second.leave(one);
    expect(first.size).toBe(1);
    expect(second.size).toBe(0);
    first.close();
    second.close();
  });
});
