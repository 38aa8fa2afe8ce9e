import type { AuditEntry } from './rollout-record.ts';

/** @throws Error if the line of the audit log is not about this change */
export function checkChange(expectedVersion: number, { endpoint, version, after }: AuditEntry): void {
  const isRight = version === expectedVersion + 1 && after.version === version && after.endpoint === endpoint;
  if (isRight) return;
  throw new Error(
    `a change of ${endpoint} from version ${expectedVersion} gives version ${expectedVersion + 1} of it`,
  );
}
