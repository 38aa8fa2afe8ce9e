/** What the audit log says of one call: it is gathered while the call is answered, and recorded with the answer. */
import type { AuditLog } from '../access/audit-log.ts';
import type { Principal } from '../access/access.ts';
import type { JsonObject } from '../project/json-text.ts';
import { shortName } from '../project/problem-list.ts';

export interface AuditNote {
  /** What is changed. */
  readonly target?: string;
  readonly code?: string;
  /** Counts and versions, never values. */
  readonly details?: JsonObject;
}

export interface AuditedCall {
  /** Adds to what is said; a later note counts. */
  note(note: AuditNote): void;
  /** The call was answered with this status; 0 = the caller hung up before. */
  ended(requestId: string, principal: Principal | undefined, status: number): void;
}

/** Nothing was changed then, and a caller in a loop would fill the log. */
const TOO_MANY_REQUESTS = 429;

export function createAuditedCall(log: AuditLog, action: string): AuditedCall {
  let noted: AuditNote = {};
  return {
    note(note) {
      const { target } = note;
      noted = { ...noted, ...note, ...(target !== undefined && { target: shortName(target) }) };
    },
    ended(requestId, principal, status) {
      if (status !== TOO_MANY_REQUESTS) log.record({ requestId, principal, action, status, ...noted });
    },
  };
}
