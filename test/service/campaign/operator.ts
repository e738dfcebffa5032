/** An operator whose client reconnects whenever it loses its connection, as real clients do. */
import { connectOperator, type Operator, type OperatorOptions } from '../../support/operator.ts';
import { waitFor } from '../../support/wait.ts';
import type { ReceivedMessage } from './ledger.ts';

export interface ReconnectingOperator {
  readonly username: string;
  /** Every message stanza of all sessions, in order. */
  received(): readonly ReceivedMessage[];
  /** @returns true if ejabberd acknowledged the message. If the connection is lost first, nobody knows */
  say(to: string, id: string, body: string): Promise<boolean>;
  stop(): Promise<void>;
}

const RECONNECT_DEADLINE_MS = 120_000;
const ACKNOWLEDGEMENT_DEADLINE_MS = 60_000;

export async function reconnectingOperator(
  options: OperatorOptions,
): Promise<ReconnectingOperator> {
  const sessions: Operator[] = [await connectOperator(options)];
  let stopped = false;
  let reconnecting: Promise<void> | null = null;

  const current = (): Operator => {
    const last = sessions.at(-1);
    if (!last) throw new Error('the first login is awaited');
    return last;
  };

  async function reconnect(): Promise<void> {
    await waitFor(
      async () => {
        if (!stopped) sessions.push(await connectOperator(options));
        return true;
      },
      { deadlineMs: RECONNECT_DEADLINE_MS, every: 100, what: `${options.username} to reconnect` },
    );
  }

  const watch = setInterval(() => {
    if (stopped || reconnecting || !current().lost) return;
    reconnecting = reconnect().finally(() => {
      reconnecting = null;
    });
    reconnecting.catch(() => undefined); // the next message fails and reports it
  }, 20);

  return {
    username: options.username,
    received: () => sessions.flatMap(({ messages }) => messages),
    async say(to, id, body) {
      await waitFor(() => !current().lost, {
        deadlineMs: RECONNECT_DEADLINE_MS,
        what: `${options.username} to be connected`,
      });
      const session = current();
      session.send(to, body, id);
      let acknowledged = false;
      session.acknowledged().then(
        () => {
          acknowledged = true;
        },
        () => undefined, // the message was not acknowledged
      );
      await waitFor(() => acknowledged || session.lost, {
        deadlineMs: ACKNOWLEDGEMENT_DEADLINE_MS,
        what: 'an acknowledgement, or the loss of the connection',
      });
      return acknowledged;
    },
    async stop() {
      stopped = true;
      clearInterval(watch);
      await reconnecting;
      if (!current().lost) await current().disconnect();
    },
  };
}
