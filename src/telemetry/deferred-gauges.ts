/** Gauges of something that may never be used: they take their names only when it is. */
import type { Metrics } from './metrics.ts';

export interface DeferredGauges {
  /** As the metrics given, but for gauges, which wait. */
  readonly metrics: Metrics;
  /** Lets the gauges read from now on, in the place of those that have their names, and all later ones at once. */
  register(): void;
}

export function deferGauges(metrics: Metrics): DeferredGauges {
  const waiting: (() => void)[] = [];
  let isRegistered = false;
  return {
    metrics: {
      ...metrics,
      gauge(...args) {
        const register = (): void => metrics.gauge(...args);
        if (isRegistered) register();
        else waiting.push(register);
      },
    },
    register() {
      isRegistered = true;
      for (const register of waiting.splice(0)) register();
    },
  };
}
