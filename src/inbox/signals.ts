/** What the inbox tells the reactors: signals that are no commands, and stanzas that go back to their senders. */
import type { TenantId, Username, VisitorKey } from '../actors/ids.ts';
import type { Hook } from '../actors/machine/idempotency.ts';
import type { WebhookEventOf } from './events.ts';

/** The chat states (XEP-0085) that mod_lhc reports. */
export type TypingState = WebhookEventOf<'chat_state'>['state'];

/** Why a stanza is returned to its sender: the condition of the error (RFC 6120 §8.3.3). */
export type ReturnCondition = 'item-not-found' | 'forbidden' | 'policy-violation';

/** A stanza that is returned to its sender with an error. It leaves no trace in the log. */
export interface Returned {
  /** The tenant whose account the sender may be; the host if there is none. Returns of one do not wait for another. */
  readonly tenant: string;
  /** Full JID of the sender, in a host of ours. */
  readonly sender: string;
  /** The JID that the sender wrote to. */
  readonly addressee: string;
  /** The stanza's id. */
  readonly id: string;
  readonly condition: ReturnCondition;
  /** A sentence for the sender. */
  readonly reason: string;
}

/** Signals that are no commands. Reactors handle them (src/reactors/lhc/signals.ts). None of them waits for ejabberd. */
export interface InboxSignals {
  /**
   * mod_lhc started: sessions that it reported before may have ended without a report. Resolves when later events may be
   * taken. What could not be compared with ejabberd by then is compared later.
   * @param instance of the tenant; `''`: the tenant without one; undefined: all tenants of the host
   * @param hook so that a repeat does not end sessions that were reported since
   * @throws {AppError} only if the event store is away
   */
  moduleStarted(host: string, instance: string | undefined, hook: Hook): Promise<void>;
  /** An event about this operator's sessions was lost: compare them with ejabberd. */
  sessionsUnsure(tenant: TenantId, username: Username): void;
  /** Returns a stanza to its sender, at once or counted with later ones. */
  returned(stanza: Returned): void;
  /** The operator's client has these stanzas of the visitor: messages, and lines of the service. */
  stanzasArrived(
    tenant: TenantId,
    visitor: VisitorKey,
    operator: Username,
    ids: readonly string[],
  ): void;
  /** @param resource of the client that gives the sign */
  operatorAlive(tenant: TenantId, username: Username, resource: string): void;
  /** @param resource of the client that says it */
  operatorTyping(
    tenant: TenantId,
    visitor: VisitorKey,
    operator: Username,
    state: TypingState,
    resource: string,
  ): void;
  /** The operator has written to the visitor, whatever came of it. @param toLhc whether LHC gets it as a message */
  operatorWrote(tenant: TenantId, visitor: VisitorKey, operator: Username, toLhc: boolean): void;
  /** The operator's client with this resource is gone. */
  operatorSessionEnded(tenant: TenantId, operator: Username, resource: string): void;
}
