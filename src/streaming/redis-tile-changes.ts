/**
 * What others change in the tiles in Redis. Each commit of anybody changes the position of its partition, of which the
 * connection tells; then the stream of commits is read from where this process knows it. An epoch of a partition lasts
 * while the connection tells of changes, and no commit is missing in the stream.
 *
 * The name of who commits is part of each entry, so that what this process has changed is not told to it. It takes a new
 * name when it cannot know what became of a commit: that one is then told as somebody else's.
 */
import { randomUUID } from 'node:crypto';

export interface CommitEntry {
  readonly from: number;
  readonly to: number;
  readonly by: string;
  readonly names: readonly string[];
}

/** A Redis server. Its epoch lasts while it tells of changes; 0 = it tells of none. */
export interface ChangeSource {
  readonly epoch: number;
}

export interface TileChanges {
  /** Whose commits are not told. */
  readonly by: string;
  /** What became of a commit is not known. */
  rename(): void;

  /** To be called before a position is read, and given back with what was read. */
  begin(partition: number): Look;
  /**
   * @param offset up to which the partition was applied when its commits were read, or before
   * @param commits behind `seen` of the look; none if that is undefined
   */
  end(look: Look, offset: number, commits: readonly CommitEntry[]): void;
  /** This process has applied events itself. */
  applied(partition: number, from: number, to: number): void;

  take(): readonly string[];
  epochOf(partition: number): number;
}

export interface Look {
  readonly partition: number;
  readonly shard: ChangeSource;
  readonly shardEpoch: number;
  /** Commits up to this offset were known when it began; undefined = none were. */
  readonly seen: number | undefined;
}

interface Known {
  readonly epoch: number;
  readonly shard: ChangeSource;
  readonly shardEpoch: number;
  /** Commits up to this offset are known. */
  seen: number;
}

/** @param shardOf where a partition is */
export function createTileChanges(shardOf: (partition: number) => ChangeSource): TileChanges {
  const partitions = new Map<number, Known>();
  const names = new Set<string>();
  let by: string = randomUUID();
  let epochs = 0;

  function current(partition: number): Known | undefined {
    const known = partitions.get(partition);
    const isCurrent =
      known !== undefined && known.shard === shardOf(partition) && known.shardEpoch === known.shard.epoch;
    return isCurrent ? known : undefined;
  }

  function follow(known: Known, offset: number, commits: readonly CommitEntry[]): boolean {
    for (const commit of commits) {
      if (commit.to <= known.seen) continue;
      if (commit.from !== known.seen) return false;
      known.seen = commit.to;
      if (commit.by !== by) for (const name of commit.names) names.add(name);
    }
    return known.seen >= offset;
  }

  return {
    get by() {
      return by;
    },
    rename() {
      by = randomUUID();
    },

    begin(partition) {
      const shard = shardOf(partition);
      return { partition, shard, shardEpoch: shard.epoch, seen: current(partition)?.seen };
    },

    end({ partition, shard, shardEpoch, seen = 0 }, offset, commits) {
      const known = current(partition);
      // Behind what was known before it was asked for, it is begun anew: somebody has taken it away.
      const isLost = offset < seen;
      // What has come in since is ahead of this reply.
      if (known !== undefined && !isLost && (offset < known.seen || follow(known, offset, commits))) return;
      partitions.delete(partition);
      if (shardEpoch === 0 || shard !== shardOf(partition) || shardEpoch !== shard.epoch) return;
      partitions.set(partition, { epoch: ++epochs, shard, shardEpoch, seen: offset });
    },

    applied(partition, from, to) {
      const known = current(partition);
      if (known?.seen === from) known.seen = to;
    },

    take() {
      if (names.size === 0) return none;
      const taken = [...names];
      names.clear();
      return taken;
    },

    epochOf: (partition) => current(partition)?.epoch ?? 0,
  };
}

const none: readonly string[] = [];
