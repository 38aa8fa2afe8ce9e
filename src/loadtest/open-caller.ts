import type { Caller, CallerEvents, Target } from './caller.ts';
import { openHttpCaller } from './http-caller.ts';
import { openWsCaller } from './ws-caller.ts';

/** Opens the target's connections. @throws MillraceError LOADTEST_FAILED when it cannot be reached */
export async function openCaller(target: Target, events: CallerEvents): Promise<Caller> {
  return target.protocol === 'http' ? openHttpCaller(target, events) : openWsCaller(target, events);
}
