/** How likely each arm was under each version of the rollout, as exposures have recorded it. */
import type { Exposure } from '../events/joined-predictions.ts';

export interface RecordedShare {
  readonly exposures: number;
  /** Summed up over them. */
  readonly propensity: number;
}

export interface RecordedShares {
  /** Of a unit that was drawn under this version. */
  readonly note: (exposure: Exposure, arm: number) => void;
  /** By arm. */
  readonly of: (version: number) => readonly RecordedShare[];
}

export function createRecordedShares(armCount: number): RecordedShares {
  const shares = new Map<number, { exposures: number; propensity: number }[]>();
  return {
    note({ policyVersion, propensity }, arm) {
      let recorded = shares.get(policyVersion);
      if (recorded === undefined) {
        recorded = Array.from({ length: armCount }, () => ({ exposures: 0, propensity: 0 }));
        shares.set(policyVersion, recorded);
      }
      const share = recorded[arm];
      if (share === undefined) return;
      share.exposures++;
      share.propensity += propensity;
    },
    of: (version) => shares.get(version) ?? [],
  };
}
