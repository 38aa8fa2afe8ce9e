/** Begins the broken canary of the demo on the running server, and tells what becomes of it. */
import { createRolloutClient } from '../rollout-client.ts';
import { auditText, statusText } from '../rollout-text.ts';
import { BROKEN_VARIANT, badCanary } from './scenario.ts';

export interface CanaryWatch {
  begin(): Promise<void>;
  /** @returns what has changed since it was last looked at; undefined = nothing */
  look(flightCount: number): Promise<string | undefined>;
  end(): Promise<string>;
}

const AUDIT_COUNT = 20;

export function createCanaryWatch(url: string, endpoint: string): CanaryWatch {
  const client = createRolloutClient(url);
  let beganMs = 0;
  let lastVersion = 0;
  return {
    async begin() {
      const { version } = await client.read(endpoint);
      const note = { by: 'demo', reason: 'a new version' };
      const status = await client.put(endpoint, { version, rollout: badCanary, ...note });
      lastVersion = status.version;
      beganMs = performance.now();
      const share = status.shares_percent[BROKEN_VARIANT];
      process.stdout.write(
        `\nDeployed ${BROKEN_VARIANT}, a version that answers the wrong column, as a canary on ${share} % of the flights.\n\n`,
      );
    },
    async look(flightCount) {
      const status = await client.read(endpoint);
      if (status.version === lastVersion) return undefined;
      lastVersion = status.version;
      const { entries } = await client.audit(endpoint, 1);
      const seconds = ((performance.now() - beganMs) / 1000).toFixed(1);
      const what = status.phase === 'rolled_back' ? 'Rolled back' : `Now ${status.phase}`;
      return `${what} by the ${entries[0]?.by}, seen after ${flightCount} flights and ${seconds} s: ${entries[0]?.reason}.\n`;
    },
    async end() {
      const status = await client.read(endpoint);
      const audit = await client.audit(endpoint, AUDIT_COUNT);
      return `\n${statusText(status)}\nWho changed it, latest first:\n${auditText(audit)}`;
    },
  };
}
