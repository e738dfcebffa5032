/** An operator whose client comes back whenever it loses its connection, as real ones do. */
import { connectOperator, type Operator, type OperatorOptions } from '../../support/operator.ts';
import { waitFor } from '../../support/wait.ts';
import type { Received } from './ledger.ts';

export interface ReturningOperator {
  readonly username: string;
  /** Every message stanza, of all its sessions, in order. */
  received(): readonly Received[];
  /** @returns whether ejabberd acknowledged it; when the connection is lost first, nobody knows */
  say(to: string, id: string, body: string): Promise<boolean>;
  stop(): Promise<void>;
}

const RECONNECT_WITHIN_MS = 60_000;
const ACKNOWLEDGED_WITHIN_MS = 20_000;

export async function returningOperator(options: OperatorOptions): Promise<ReturningOperator> {
  const sessions: Operator[] = [await connectOperator(options)];
  let stopped = false;
  let coming: Promise<void> | null = null;

  const current = (): Operator => {
    const last = sessions.at(-1);
    if (!last) throw new Error('the first login is awaited');
    return last;
  };

  async function comeBack(): Promise<void> {
    await waitFor(
      async () => {
        if (!stopped) sessions.push(await connectOperator(options));
        return true;
      },
      { deadlineMs: RECONNECT_WITHIN_MS, every: 100, what: `${options.username} to come back` },
    );
  }

  const watch = setInterval(() => {
    if (stopped || coming || !current().lost) return;
    coming = comeBack().finally(() => {
      coming = null;
    });
    coming.catch(() => undefined); // whoever says something next is told
  }, 20);

  return {
    username: options.username,
    received: () => sessions.flatMap(({ messages }) => messages),
    async say(to, id, body) {
      await waitFor(() => !current().lost, {
        deadlineMs: RECONNECT_WITHIN_MS,
        what: `${options.username} to be connected`,
      });
      const session = current();
      session.send(to, body, id);
      let acknowledged = false;
      session.acknowledged().then(
        () => {
          acknowledged = true;
        },
        () => undefined, // not acknowledged, then
      );
      await waitFor(() => acknowledged || session.lost, {
        deadlineMs: ACKNOWLEDGED_WITHIN_MS,
        what: 'an acknowledgement, or the loss of the connection',
      });
      return acknowledged;
    },
    async stop() {
      stopped = true;
      clearInterval(watch);
      await coming;
      if (!current().lost) await current().disconnect();
    },
  };
}
