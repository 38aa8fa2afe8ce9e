import { defineConfig } from 'vitest/config';

/** These measure time, or how much is answered in it: nothing else may run beside them. */
const timed = [
  'test/loadtest/**/*.test.ts',
  'test/serving/heavy-models.test.ts',
  'test/inference/batcher-queue.test.ts',
];
/** These leave nothing behind in their process, so they share one, and what it has loaded. */
const pure = [
  'test/project/**/*.test.ts',
  'test/transforms/**/*.test.ts',
  'test/stats/**/*.test.ts',
  'test/streaming/aggregates/**/*.test.ts',
];
const all = ['test/**/*.test.ts'];

export default defineConfig({
  test: {
    globalSetup: ['test/install-redis.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Native addons (LMDB, ONNX Runtime, uWebSockets.js) want processes of their own, not worker threads.
    pool: 'forks',
    projects: [
      {
        extends: true,
        test: { name: 'timed', include: timed, maxWorkers: 1, sequence: { groupOrder: 0 } },
      },
      {
        extends: true,
        test: { name: 'pure', include: pure, isolate: false, maxWorkers: 2, sequence: { groupOrder: 1 } },
      },
      {
        extends: true,
        test: {
          name: 'others',
          include: all,
          exclude: [...timed, ...pure],
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
