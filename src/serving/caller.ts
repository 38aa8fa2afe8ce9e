import type { Unit } from '../project/rollout.ts';

/** What a caller says of itself beside the request: in headers, or when its WebSocket was opened. */
export interface Caller {
  /** The value of the header or cookie that names the endpoint's unit. */
  readonly unit: string | undefined;
  /** Name of the variant that a tester asks for; its key has been checked. */
  readonly variant: string | undefined;
  /** Of the person that is asked for; empty = nothing is known of it. */
  readonly userAgent: string;
}

/** What has to be read of a caller for an endpoint whose traffic may be split. */
export interface CallerNeeds {
  readonly unit: Unit | undefined;
}
