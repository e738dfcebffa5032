/**
 * What goes out in a visitor's name: by its session; by the admin API for a visitor that is not meant to have one any
 * more, or whose session is another process's.
 */
import {
  operatorJid,
  streamOf,
  type Username,
  type VisitorKey,
  visitorJid,
  visitorRef,
} from '../../actors/ids.ts';
import type { TenantSettings } from '../../actors/tenant/machine.ts';
import { AppError, isRefused } from '../../errors.ts';
import { type Ownership, ownsStream } from '../../runtime/leases/ownership.ts';
import type { Actors } from '../../runtime/ports.ts';
import type {
  Acknowledgement,
  EjabberdAdmin,
  OutgoingMessage,
  VisitorTransport,
} from '../../xmpp/port.ts';

/** From whom, and whether this process may still act: asked right before, since it may have slept meanwhile. */
export interface Sender {
  readonly tenant: TenantSettings;
  readonly key: VisitorKey;
  readonly mayAct: () => boolean;
}

export interface Delivery {
  /** Resolves when it is taken. */
  send(
    sender: Sender,
    operator: Username,
    message: Omit<OutgoingMessage, 'from' | 'to'>,
  ): Promise<void>;
  /** A line of the service's own in the visitor's name, so that it stands in the conversation that it is about. */
  tell(sender: Sender, operator: Username, id: string, text: string): Promise<void>;
  /**
   * Several of them, in order. One that is refused keeps back none behind it.
   * @throws {AppError} the first refusal, when all were tried; `unavailable` at once
   */
  tellAll(
    sender: Sender,
    lines: readonly { readonly to: Username; readonly id: string; readonly text: string }[],
  ): Promise<void>;
  /** How far an operator's message has come. */
  acknowledge(sender: Sender, operator: Username, what: Acknowledgement, id: string): Promise<void>;
}

export const notOurs = (): AppError =>
  new AppError('unavailable', 'another process has this lane now');

export function createDelivery(options: {
  actors: Pick<Actors, 'visitor'>;
  admin: Pick<EjabberdAdmin, 'sendMessage' | 'sendAcknowledgement'>;
  transport: VisitorTransport;
  ownership: Ownership;
  /** Resolves when nothing of this visitor is on its way again: what is new waits for it. */
  underWay: (jid: string) => Promise<void>;
}): Delivery {
  const { actors, admin, transport, ownership, underWay } = options;

  /** Whether it goes by the visitor's session. @throws {AppError} `unavailable` where another process acts now */
  async function bySession({ tenant, key, mayAct }: Sender): Promise<boolean> {
    const state = await actors.visitor(tenant.id, key).state();
    const from = visitorJid(tenant, key);
    await underWay(from);
    if (!mayAct()) throw notOurs();
    const stream = streamOf(visitorRef(tenant.id, key));
    const meantOnline = state?.presence === 'online';
    return (meantOnline && ownsStream(ownership, stream)) || transport.isOnline(from);
  }

  const ends = ({ tenant, key }: Sender, operator: Username) => ({
    from: visitorJid(tenant, key),
    to: operatorJid(tenant, operator),
  });

  async function send(
    sender: Sender,
    operator: Username,
    said: Omit<OutgoingMessage, 'from' | 'to'>,
  ): Promise<void> {
    const message = { ...said, ...ends(sender, operator) };
    if (await bySession(sender)) await transport.send(message);
    else await admin.sendMessage(message);
  }

  const tell: Delivery['tell'] = (sender, operator, id, body) =>
    send(sender, operator, { id, body, notice: true });

  return {
    send,
    tell,
    async tellAll(sender, lines) {
      let refusal: AppError | null = null;
      for (const { to, id, text } of lines) {
        await tell(sender, to, id, text).catch((error) => {
          if (!isRefused(error)) throw error;
          refusal ??= error;
        });
      }
      if (refusal) throw refusal;
    },
    async acknowledge(sender, operator, what, id) {
      const { from, to } = ends(sender, operator);
      if (await bySession(sender)) await transport.acknowledge(from, to, what, id);
      else await admin.sendAcknowledgement(from, to, what, id);
    },
  };
}
