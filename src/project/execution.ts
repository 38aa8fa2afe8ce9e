export const executions = ['auto', 'inline', 'worker'] as const;

/** Where a model runs: on the event loop, in worker threads, or as the time of its runs says. */
export type Execution = (typeof executions)[number];

/** Most worker threads of one model. */
export const WORKERS_MAX = 256;
