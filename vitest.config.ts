import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/install-redis.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Native addons (LMDB, ONNX Runtime, uWebSockets.js) want processes of their own, not worker threads.
    pool: 'forks',
  },
});
