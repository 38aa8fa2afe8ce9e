import { defineConfig } from 'vitest/config';

/** These measure time, or how much is answered in it: nothing else may run beside them. */
const timed = [
  'test/loadtest/**/*.test.ts',
  'test/serving/heavy-models.test.ts',
  'test/inference/batcher-queue.test.ts',
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
        test: { name: 'others', include: all, exclude: timed, maxWorkers: 2, sequence: { groupOrder: 1 } },
      },
    ],
  },
});
