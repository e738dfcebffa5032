/** An operator whose client reconnects whenever it loses its connection. */
import { connectOperator, type Operator, type OperatorOptions } from '../../support/operator.ts';
import { waitFor } from '../../support/wait.ts';
import type { Received } from './ledger.ts';

export interface ReturningOperator {
  readonly username: string;
  /** All message stanzas of all sessions, in order. */
  received(): readonly Received[];
  /** @returns true if ejabberd acknowledged the message; after a lost connection the outcome is unknown */
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
    coming.catch(() => undefined); // the next call gets the error
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
        () => undefined, // not acknowledged
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
