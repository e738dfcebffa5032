/** A scavenge of a real EventStoreDB, over its HTTP API. */
import { EventStoreDBClient } from '@eventstore/db-client';
import { waitFor } from '../wait.ts';

/** The whole log of a test is scavenged in a second or two. */
const SCAVENGE_DEADLINE_MS = 60_000;

/**
 * Resolves when a scavenge that began after this call has ended. It includes everything up to now: the server completes
 * the file that is written, and begins the next one.
 * @param url of a node without TLS, `esdb://HOST:PORT?tls=false`
 */
export async function scavengeServer(url: string): Promise<void> {
  const { host } = new URL(url.replace(/^esdb/, 'http'));
  // One at a time: another test may have begun one.
  const id = await waitFor(
    async () => {
      const answer = await fetch(`http://${host}/admin/scavenge`, { method: 'POST' });
      return /ScavengeId: (\S+)/.exec(answer.ok ? await answer.text() : '')?.[1];
    },
    { deadlineMs: SCAVENGE_DEADLINE_MS, what: 'the beginning of a scavenge' },
  );
  const client = EventStoreDBClient.connectionString(url);
  try {
    const isOver = async (): Promise<boolean> => {
      for await (const { event } of client.readStream(`$scavenges-${id}`)) {
        if (event?.type === '$scavengeCompleted') return true;
      }
      return false;
    };
    await waitFor(isOver, { deadlineMs: SCAVENGE_DEADLINE_MS, what: 'the end of the scavenge' });
  } finally {
    await client.dispose();
  }
}
