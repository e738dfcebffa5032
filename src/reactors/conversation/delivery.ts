/**
 * Sends stanzas in a visitor's name. The visitor's session sends them, or ejabberd's admin API does: for a visitor who
 * should be offline, or whose session belongs to another process.
 */
import {
  deskJid,
  operatorJid,
  streamOf,
  type Username,
  type VisitorKey,
  visitorJid,
  visitorRef,
} from '../../actors/ids.ts';
import type { Tenant } from '../../actors/tenant/tenant.ts';
import { AppError, isRefused } from '../../errors.ts';
import type { RecordedEvent } from '../../eventstore/port.ts';
import { type Ownership, ownsStream } from '../../runtime/leases/ownership.ts';
import type { Actors } from '../../runtime/ports.ts';
import type {
  Acknowledgement,
  EjabberdAdmin,
  OutgoingMessage,
  VisitorTransport,
} from '../../xmpp/port.ts';
import { marked } from '../texts/mark.ts';
import { takesNothing } from './returned-messages.ts';

/** A visitor, and whether this process may still act for them. It asks right before it sends: it may have been paused. */
export interface Sender {
  readonly tenant: Tenant;
  readonly key: VisitorKey;
  readonly mayAct: () => boolean;
  /**
   * Gets a message of the visitor that an address returned which takes nothing from them. ejabberd has processed it then.
   * Absent if a person sends it: they read the error.
   */
  readonly onReturned?: (operator: Username, messageId: string, error: AppError) => void;
}

/** A message without its addresses. */
export type Content = Omit<OutgoingMessage, 'from' | 'to'>;

/**
 * The id of a line of the service. It tells behind which fact of the visitor's stream the line stands: a client that has
 * displayed the line has displayed what was sent before (src/inbox/displayed.ts).
 * @param revision in the visitor's stream
 * @param what derived from the cause of the line, so that a repeat has the same id
 */
export const lineIdOf = (revision: number, what: string): string => `line-${revision}-${what}`;

/** A line of the service's own for an operator. */
export interface Line {
  readonly to: Username;
  /** The stanza's id. */
  readonly id: string;
  readonly text: string;
  /** The chat's room shows the same: who is there does not read it twice. */
  readonly inRoom?: true;
}

/**
 * Every function rejects with `refused` if ejabberd refuses the stanza, and with `unavailable` if it cannot be sent now
 * or another process has the lane.
 */
export interface Delivery {
  /** Resolves when ejabberd has taken the message. */
  send(sender: Sender, operator: Username, message: Content): Promise<void>;
  /** Sends a line of the service in the visitor's name, so that it stands in the conversation that it is about. */
  sendLine(sender: Sender, line: Line): Promise<void>;
  /**
   * Sends several lines in order. A refused line does not keep back the lines behind it.
   * @throws {AppError} the first refusal, after all lines were tried; `unavailable` at once
   */
  sendLines(sender: Sender, lines: readonly Line[]): Promise<void>;
  /** The same from the tenant's desk: the lines are about no visitor alone. */
  sendFromDesk(sender: Pick<Sender, 'tenant' | 'mayAct'>, lines: readonly Line[]): Promise<void>;
  /** Acknowledges an operator's message: `received` (XEP-0184) or `displayed` (XEP-0333). */
  acknowledge(sender: Sender, operator: Username, what: Acknowledgement, id: string): Promise<void>;
}

/** The error of a process that has lost the lane to another one. */
export const laneLost = (): AppError =>
  new AppError('unavailable', 'another process has this lane now');

export function createDelivery(options: {
  actors: Pick<Actors, 'visitor'>;
  admin: Pick<EjabberdAdmin, 'sendMessage' | 'sendAcknowledgement'>;
  transport: VisitorTransport;
  ownership: Ownership;
  /** Resolves when no resend for this visitor is running. New messages wait for that. */
  afterResends: (jid: string) => Promise<void>;
}): Delivery {
  const { actors, admin, transport, ownership, afterResends } = options;

  /** True if the visitor's session has to send. @throws {AppError} `unavailable` if another process acts now */
  async function bySession({ tenant, key, mayAct }: Sender): Promise<boolean> {
    const state = await actors.visitor(tenant.id, key).state();
    const from = visitorJid(tenant, key);
    await afterResends(from);
    if (!mayAct()) throw laneLost();
    const stream = streamOf(visitorRef(tenant.id, key));
    const shouldBeOnline = state?.presence === 'online';
    return (shouldBeOnline && ownsStream(ownership, stream)) || transport.isOnline(from);
  }

  const addresses = ({ tenant, key }: Sender, operator: Username) => ({
    from: visitorJid(tenant, key),
    to: operatorJid(tenant, operator),
  });

  async function send(sender: Sender, operator: Username, content: Content): Promise<void> {
    const message = { ...content, ...addresses(sender, operator) };
    try {
      if (await bySession(sender)) await transport.send(message);
      else await admin.sendMessage(message);
    } catch (error) {
      if (content.notice || !sender.onReturned || !takesNothing(error)) throw error;
      sender.onReturned(operator, content.id, error);
    }
  }

  const sendLine = (sender: Sender, { to, id, text, inRoom }: Line): Promise<void> =>
    send(sender, to, { id, body: marked(text), notice: true, ...(inRoom && { inRoom }) });

  async function sendDeskLine(
    { tenant, mayAct }: Pick<Sender, 'tenant' | 'mayAct'>,
    { to, id, text }: Line,
  ): Promise<void> {
    const from = deskJid(tenant);
    const addressed = { from, to: operatorJid(tenant, to) };
    const message = { ...addressed, id, body: marked(text), notice: true } as const;
    if (!mayAct()) throw laneLost();
    if (transport.isOnline(from)) await transport.send(message);
    else await admin.sendMessage(message);
  }

  return {
    send,
    sendLine,
    sendLines: (sender, lines) => inOrder(lines, (line) => sendLine(sender, line)),
    sendFromDesk: (sender, lines) => inOrder(lines, (line) => sendDeskLine(sender, line)),
    async acknowledge(sender, operator, what, id) {
      const { from, to } = addresses(sender, operator);
      if (await bySession(sender)) await transport.acknowledge(from, to, what, id);
      else await admin.sendAcknowledgement(from, to, what, id);
    },
  };
}

/** Sends all lines. @throws {AppError} the first refusal, after all of them; `unavailable` at once */
async function inOrder(lines: readonly Line[], send: (line: Line) => Promise<void>): Promise<void> {
  let refusal: AppError | null = null;
  for (const line of lines) {
    await send(line).catch((error) => {
      if (!isRefused(error)) throw error;
      refusal ??= error;
    });
  }
  if (refusal) throw refusal;
}

/**
 * A line that a fact calls for. The lines of one fact have different ids by their place.
 * @param revision of the visitor's stream: what the line stands behind
 */
export const lineOf = (
  { id }: RecordedEvent,
  revision: number,
  index: number,
  line: Pick<Line, 'to' | 'text' | 'inRoom'>,
): Line => ({ ...line, id: lineIdOf(revision, index === 0 ? id : `${id}.${index}`) });
