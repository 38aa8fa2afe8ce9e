/**
 * The rollouts of a project in one process: what is in effect, and how it is changed. Changes are checked as the project
 * file is, kept by the store with the version that they were made for, and noted in the audit log.
 *
 * The project file is the start. A section of it that has changed since is adopted only while nobody has changed the
 * rollout at run time: what was done by hand or by the judge is never undone by a restart.
 */
import type { Clock } from '../clock.ts';
import { MillraceError } from '../errors.ts';
import type { ErrorDetail } from '../errors.ts';
import { shortName } from '../project/problem-list.ts';
import type { Endpoint, Project } from '../project/project.ts';
import { overlaps } from '../project/rollout-overlaps.ts';
import type { RunningRollout } from '../project/rollout-overlaps.ts';
import type { Rollout } from '../project/rollout.ts';
import { suggestName } from '../project/suggestion.ts';
import type { Log } from '../telemetry/log.ts';
import { decodeRollout, invalidRollout } from './decode-rollout.ts';
import { begin, nextStep, pause, promote, resume, rollBack, share } from './rollout-changes.ts';
import type { Known } from './rollout-changes.ts';
import type { AuditEntry, RolloutAction, RolloutRecord } from './rollout-record.ts';
import type { RolloutStore } from './rollout-store.ts';

export interface RolloutInEffect extends Known {
  /** Why the record could not be used, and one variant answers instead; undefined = it is used. */
  readonly problem: string | undefined;
  /** Whether the project file says something else than what is in effect. */
  readonly differsFromFile: boolean;
}

/** Who changes something, and why. */
export interface ChangeNote {
  readonly by: string;
  readonly reason: string;
  /** What was judged, with its numbers. */
  readonly verdict?: unknown;
  /** The version that the change was made for; undefined = whatever is in effect. */
  readonly version?: number | undefined;
}

export type SimpleAction = 'promote' | 'step' | 'rollback' | 'pause' | 'resume';
export const simpleActions: readonly SimpleAction[] = ['promote', 'step', 'rollback', 'pause', 'resume'];

export interface RolloutControl {
  /** Undefined = no endpoint has a second variant. */
  readonly store: RolloutStore | undefined;
  /** From memory. A rollout that was changed by another process is decoded once. */
  inEffect(endpoint: string): RolloutInEffect;
  /** What is in effect of all endpoints, to see where they get in each other's way. */
  running(): RunningRollout[];
  /** @throws MillraceError INVALID_ROLLOUT, ROLLOUT_CONFLICT, STORE_FAILED */
  put(endpoint: string, section: unknown, note: ChangeNote): Promise<RolloutRecord>;
  /** @throws MillraceError NO_CANARY, ROLLOUT_CONFLICT, STORE_FAILED */
  act(endpoint: string, action: SimpleAction, note: ChangeNote): Promise<RolloutRecord>;
  /**
   * New shares of a bandit.
   * @throws MillraceError ROLLOUT_CONFLICT, STORE_FAILED
   */
  share(endpoint: string, shares: Readonly<Record<string, number>>, note: ChangeNote): Promise<RolloutRecord>;
}

export interface RolloutControlParts {
  readonly project: Project;
  readonly store: RolloutStore | undefined;
  readonly clock: Clock;
  readonly log: Log;
  /** What else can be wrong with a rollout: its condition, for whoever can compile one. */
  readonly check: (endpoint: Endpoint, rollout: Rollout) => readonly ErrorDetail[];
}

type Versions = Pick<RolloutRecord, 'version' | 'samplesVersion'>;

const nothing: Versions = { version: 0, samplesVersion: 0 };
const ATTEMPTS_MAX = 20;
const SECTION_CHARS_MAX = 65_536;
const changes = { promote, step: nextStep, rollback: rollBack, pause, resume };

/**
 * Adopts what the project file says, where nothing else was said since.
 * @throws MillraceError STORE_FAILED
 */
export async function openRolloutControl(parts: RolloutControlParts): Promise<RolloutControl> {
  const control = new StoredControl(parts);
  for (const endpoint of parts.project.endpoints.values()) await control.adopt(endpoint);
  return control;
}

class StoredControl implements RolloutControl {
  readonly store: RolloutStore | undefined;
  private readonly parts: RolloutControlParts;
  private readonly decoded = new Map<string, RolloutInEffect>();

  constructor(parts: RolloutControlParts) {
    this.parts = parts;
    this.store = parts.store;
  }

  /** At the start of a process. */
  async adopt(endpoint: Endpoint): Promise<void> {
    if (this.store === undefined) return;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const record = this.store.get(endpoint.name);
      const entry = this.adoption(endpoint, record);
      if (entry === undefined || (await this.store.change(record?.version ?? 0, entry))) return;
    }
    throw this.conflict(endpoint.name);
  }

  inEffect(name: string): RolloutInEffect {
    const endpoint = this.endpoint(name);
    const record = this.store?.get(name);
    const known = this.decoded.get(name);
    if (known !== undefined && (record === undefined || isSame(known.record, record))) return known;
    const found = this.decode(endpoint, record ?? this.startOf(endpoint, nothing));
    this.decoded.set(name, found);
    return found;
  }

  running(): RunningRollout[] {
    return [...this.parts.project.endpoints.values()].map(({ name, unit }) => ({
      endpoint: name,
      unit,
      rollout: this.inEffect(name).rollout,
    }));
  }

  async put(name: string, section: unknown, note: ChangeNote): Promise<RolloutRecord> {
    const endpoint = this.endpoint(name);
    checkSize(name, section);
    const rollout = decodeRollout(section, endpoint, this.parts.project.eventTypes);
    const problems = [...this.parts.check(endpoint, rollout), ...this.overlapsOf(endpoint, rollout)];
    if (problems.length > 0) throw invalidRollout(name, problems);
    return this.change(name, 'put', note, ({ record }) => {
      const { fileSection, version, samplesVersion } = record;
      const text = JSON.stringify(section);
      // What the project file says is the file's again: its next change is adopted.
      const isOfFile = text === endpoint.rolloutText;
      const kept = { fileSection: isOfFile ? text : fileSection, version, samplesVersion };
      const from = { endpoint: name, origin: isOfFile ? 'file' : 'api', ...kept } as const;
      return begin(text, rollout, from, this.nowMs());
    });
  }

  async act(name: string, action: SimpleAction, note: ChangeNote): Promise<RolloutRecord> {
    return this.change(name, action, note, (known) => ({
      ...changes[action](known, this.nowMs()),
      origin: 'api',
    }));
  }

  async share(
    name: string,
    shares: Readonly<Record<string, number>>,
    note: ChangeNote,
  ): Promise<RolloutRecord> {
    return this.change(name, 'shares', note, (known) => share(known, shares, this.nowMs()));
  }

  /** Tries again when somebody else was faster, unless the change was made for a certain version. */
  private async change(
    name: string,
    action: RolloutAction,
    note: ChangeNote,
    make: (known: Known) => RolloutRecord,
  ): Promise<RolloutRecord> {
    if (this.store === undefined) throw onlyVariant(name);
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const known = this.inEffect(name);
      const { version } = known.record;
      if (note.version !== undefined && note.version !== version) throw this.conflict(name);
      // A store that has lost its record begins anew: what this process knows goes on from there.
      const stored = this.store.get(name)?.version ?? 0;
      const after = { ...make(known), version: stored + 1 };
      if (await this.store.change(stored, entryOf(after, action, note))) {
        const { by, reason } = note;
        this.parts.log.info(
          { endpoint: name, version: after.version, action, by, reason },
          'rollout changed',
        );
        return after;
      }
    }
    throw this.conflict(name);
  }

  private nowMs(): number {
    return this.parts.clock.nowMs();
  }

  private endpoint(name: string): Endpoint {
    const { endpoints } = this.parts.project;
    const endpoint = endpoints.get(name);
    if (endpoint !== undefined) return endpoint;
    const hint = suggestName(name, endpoints.keys(), 'endpoints');
    throw new MillraceError('UNKNOWN_ENDPOINT', `There is no endpoint "${shortName(name)}"; ${hint}`);
  }

  private conflict(name: string): MillraceError {
    const version = this.store?.get(name)?.version ?? 0;
    const sentence = `The rollout of "${name}" has version ${version} by now: read it again, and decide anew.`;
    return new MillraceError('ROLLOUT_CONFLICT', sentence);
  }

  private startOf({ name, rollout, rolloutText }: Endpoint, before: Versions): RolloutRecord {
    const { version, samplesVersion } = before;
    const from = {
      endpoint: name,
      origin: 'file',
      fileSection: rolloutText,
      version,
      samplesVersion,
    } as const;
    return begin(rolloutText, rollout, from, this.nowMs());
  }

  /** What a start of the process changes; undefined = nothing. */
  private adoption(endpoint: Endpoint, record: RolloutRecord | undefined): AuditEntry | undefined {
    const { name, rolloutText } = endpoint;
    if (record?.fileSection === rolloutText) return undefined;
    if (record !== undefined && record.origin !== 'file') {
      const sentence =
        'the project file says something else than what was set at run time, which stays; `millrace rollout set` changes it';
      this.parts.log.warn({ endpoint: name, version: record.version }, sentence);
      return undefined;
    }
    const after = this.startOf(endpoint, record ?? nothing);
    const reason = record === undefined ? 'first start' : 'the project file has changed';
    const action = record === undefined ? 'start' : 'file';
    return entryOf(after, action, { by: 'project file', reason });
  }

  private decode(endpoint: Endpoint, record: RolloutRecord): RolloutInEffect {
    const differsFromFile = record.section !== endpoint.rolloutText;
    try {
      const section = JSON.parse(record.section) as unknown;
      const rollout = decodeRollout(section, endpoint, this.parts.project.eventTypes);
      const [problem] = this.parts.check(endpoint, rollout);
      if (problem !== undefined) throw invalidRollout(endpoint.name, [problem]);
      return { record, rollout, problem: undefined, differsFromFile };
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error;
      const context = { endpoint: endpoint.name, version: record.version, problem: error.message };
      this.parts.log.error(
        context,
        'the stored rollout does not fit the project file; its `serve` answers instead',
      );
      // No experiment or canary of the file: nobody has said that it should begin now.
      const rollout: Rollout = { serve: endpoint.rollout.serve, policy: { kind: 'fixed' }, shadows: [] };
      return { record, rollout, problem: error.message, differsFromFile };
    }
  }

  private overlapsOf(endpoint: Endpoint, rollout: Rollout): ErrorDetail[] {
    const others = this.running().filter((other) => other.endpoint !== endpoint.name);
    return overlaps([...others, { endpoint: endpoint.name, unit: endpoint.unit, rollout }])
      .filter(({ endpoints }) => endpoints.includes(endpoint.name))
      .flatMap(({ kind, path, message }) => (kind === 'mistake' ? [{ path, message }] : []));
  }
}

function entryOf(after: RolloutRecord, action: RolloutAction, note: ChangeNote): AuditEntry {
  const { by, reason, verdict } = note;
  const { endpoint, version, changedMs: atMs } = after;
  return { endpoint, version, atMs, by, action, reason, verdict, after };
}

function onlyVariant(endpoint: string): MillraceError {
  const sentence = `The endpoint "${endpoint}" has one variant, and no endpoint of the project has more: name others in the project file.`;
  return new MillraceError('NO_CANARY', sentence);
}

/** A store may lose what was written last, and then get another record of the same version. */
function isSame(one: RolloutRecord, other: RolloutRecord): boolean {
  return one.version === other.version && one.changedMs === other.changedMs && one.section === other.section;
}

/** Each version of it is kept in the audit log. */
function checkSize(endpoint: string, section: unknown): void {
  if (JSON.stringify(section).length <= SECTION_CHARS_MAX) return;
  const message = `is longer than ${SECTION_CHARS_MAX} characters of JSON`;
  throw invalidRollout(endpoint, [{ path: 'rollout', message }]);
}
