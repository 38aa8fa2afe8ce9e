/**
 * The keys that are valid now, as principals. A principal stays the same object while its key stays: a changed scope or rate,
 * and a revocation, are seen at once by whoever holds it, such as an open WebSocket.
 *
 * Cost: a key is found by its public id, and its secret costs one SHA-256, about a microsecond.
 */
import { timingSafeEqual } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { MillraceError } from '../errors.ts';
import type { Principal } from './access.ts';
import type { KeyRecord } from './key-records.ts';
import { parseKeyText, secretDigest } from './key-text.ts';
import { createRateLimit } from './rate-limit.ts';
import type { TakeCall } from './rate-limit.ts';
import type { Scope } from './scope.ts';

export interface Keyring {
  readonly size: number;
  /** @throws MillraceError UNAUTHENTICATED */
  authenticate(keyText: string): Principal;
  /** These are the keys from now on. */
  replace(records: readonly KeyRecord[]): void;
}

/** An unknown id is compared with a digest that nothing has, so that it takes as long as a wrong secret. */
const noDigest: Buffer = Buffer.alloc(32);

/** @param share the part of each rate that this process gives out */
export function createKeyring(clock: Clock, share: number): Keyring {
  const principals = new Map<string, KeyPrincipal>();
  return {
    get size() {
      return principals.size;
    },
    authenticate(keyText) {
      const parsed = parseKeyText(keyText);
      if (parsed === undefined) throw refusal('The key was cut or mistyped: copy all of it.');
      const principal = principals.get(parsed.id);
      const isSame = timingSafeEqual(secretDigest(parsed.secret), principal?.digest ?? noDigest);
      // In one sentence for both: who guesses ids learns nothing.
      if (principal === undefined || !isSame) throw refusal('The key is not known, or was revoked.');
      if (principal.isRevoked) throw refusal(`The key "${principal.name}" has expired.`);
      return principal;
    },
    replace(records) {
      const ids = new Set(records.map(({ id }) => id));
      for (const [id, principal] of principals) {
        if (ids.has(id)) continue;
        principal.revoke();
        principals.delete(id);
      }
      for (const record of records) {
        const known = principals.get(record.id);
        if (known?.update(record) === true) continue;
        known?.revoke();
        principals.set(record.id, new KeyPrincipal(record, clock, share));
      }
    },
  };
}

function refusal(sentence: string): MillraceError {
  return new MillraceError('UNAUTHENTICATED', sentence);
}

class KeyPrincipal implements Principal {
  readonly digest: Buffer;
  private record: KeyRecord;
  private granted: ReadonlySet<Scope>;
  private rate: TakeCall | undefined;
  private wasRevoked = false;
  private readonly clock: Clock;
  private readonly share: number;

  constructor(record: KeyRecord, clock: Clock, share: number) {
    this.digest = Buffer.from(record.sha256, 'hex');
    this.record = record;
    this.granted = new Set(record.scopes);
    this.clock = clock;
    this.share = share;
    this.rate = rateOf(record, share);
  }

  get id(): string {
    return this.record.id;
  }

  get name(): string {
    return this.record.name;
  }

  get isRevoked(): boolean {
    const { expiresMs } = this.record;
    return this.wasRevoked || (expiresMs !== undefined && this.clock.nowMs() >= expiresMs);
  }

  allows(scope: Scope): boolean {
    return this.granted.has(scope);
  }

  take(nowMs: number): number | undefined {
    return this.rate?.(nowMs);
  }

  /** False when the record has another secret: that is another key, though it has the same id. */
  update(record: KeyRecord): boolean {
    const { sha256, rate } = this.record;
    if (record.sha256 !== sha256) return false;
    const isSameRate = record.rate?.perSecond === rate?.perSecond && record.rate?.burst === rate?.burst;
    this.record = record;
    this.granted = new Set(record.scopes);
    // A file that is written anew for another key fills no bucket.
    if (!isSameRate) this.rate = rateOf(record, this.share);
    return true;
  }

  revoke(): void {
    this.wasRevoked = true;
  }
}

function rateOf({ rate }: KeyRecord, share: number): TakeCall | undefined {
  return rate === undefined ? undefined : createRateLimit(rate, share);
}
