/** What says where rows are in Redis. Apart from what opens it: whoever has none need not load a client. */

export const redisLayouts = ['millrace', 'feast'] as const;
export type RedisLayout = (typeof redisLayouts)[number];

export interface RedisOptions {
  readonly url: string;
  /** How rows lie there: Millrace's own way, or that of Feast. Default: as the project says. */
  readonly layout?: RedisLayout | undefined;
}
