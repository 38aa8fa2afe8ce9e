import { defineConfig } from 'vitest/config';

/** These measure time, or how much is answered in it: nothing else may run beside them. */
const timed = [
  'test/loadtest/{autocannon-load,goodput,open-loop,ratios,timeouts}.test.ts',
  'test/serving/heavy-models.test.ts',
  'test/inference/batcher-queue.test.ts',
];
/**
 * These close what they open, and leave nothing else behind in their process: they share one, and what it has loaded.
 * Files whose threads or whose end of the process are looked at, and all others, have a process each.
 */
const shared = [
  'test/{access,client,events,experiments,features,loadtest,project,records,redis,server,serving,stats,streaming,telemetry,transforms}/**/*.test.ts',
  'test/cli/{load,progress,replay}.test.ts',
  'test/cli/workers/restart-delay.test.ts',
  'test/e2e/*.test.ts',
  'test/inference/{batcher,expected-input,float16,least-run-time,model-repository,resolve-outputs,row-outputs,session,warm-up,whole-caller}.test.ts',
  'test/rollouts/{bandit-shares,check-rollout-redis,decode-samples,growthbook-cases,guardrail-measures,judge,lmdb-rollout-store,merge-samples,sample-recorder,shadow-summary,split}.test.ts',
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
        test: {
          name: 'shared',
          include: shared,
          exclude: timed,
          isolate: false,
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: 'others',
          include: all,
          exclude: [...timed, ...shared],
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
