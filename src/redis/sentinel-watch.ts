/**
 * Listens to what the sentinels say of a new master. Without it the connection would stay with the old one, if that
 * still lives, until Sentinel makes it a replica some ten seconds later: until then it gives rows that are old, and takes
 * writes that will be lost.
 */
import { Redis } from 'ioredis';
import { retryDelay } from './redis-connection.ts';

export interface SentinelWatch {
  close(): void;
}

const CHANNEL = '+switch-master';

/** Lets the client connect anew, through the sentinels, when they have made another server the master. */
export function watchSentinels(client: Redis, masterName: string): SentinelWatch {
  const { sentinels, sentinelUsername, sentinelPassword, sentinelTLS } = client.options;
  const moved = (message: string): void => {
    const [name, , , host, port] = message.split(' ');
    if (name !== masterName || (client.status !== 'ready' && client.status !== 'connect')) return;
    const { remoteAddress, remotePort } = client.stream;
    // Every sentinel says so, some of them when it is long done.
    if (remoteAddress !== host || String(remotePort) !== port) client.disconnect(true);
  };
  const watches = (sentinels ?? []).map(({ host = '', port = 0 }) => {
    const watch = new Redis({
      protocol: 2,
      host,
      port,
      retryStrategy: retryDelay,
      enableReadyCheck: false,
      maxRetriesPerRequest: null,
      disableClientInfo: true,
      ...(sentinelUsername === undefined ? {} : { username: sentinelUsername }),
      ...(sentinelPassword === undefined ? {} : { password: sentinelPassword }),
      ...(sentinelTLS === undefined ? {} : { tls: sentinelTLS }),
    });
    // Tried again for as long as it takes; the other sentinels say the same.
    watch.on('error', () => undefined);
    watch.on('message', (_channel, message: string) => moved(message));
    watch.subscribe(CHANNEL).catch(() => undefined);
    return watch;
  });
  return {
    close() {
      for (const watch of watches) watch.disconnect();
    },
  };
}
