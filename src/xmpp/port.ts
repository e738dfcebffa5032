/**
 * How visitors appear in XMPP: the one thing that reactors know of the outside. Two adapters keep it: accounts (one
 * login per visitor) and, later, the component (one XEP-0114 connection for all).
 */

import type { AppError } from '../errors.ts';

/** What operators see of a visitor. Sent only when it differs from what was sent last. */
export interface VisitorPresence {
  readonly show?: 'chat' | 'away' | 'xa' | 'dnd';
  readonly status: string;
  /** XEP-0172, carried in the presence. */
  readonly nick: string;
}

/** A message of a visitor to an operator. `id` is the stanza id and the XEP-0359 origin-id. */
export interface OutgoingMessage {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly body: string;
  readonly thread?: string;
  /** XEP-0203: it was said earlier than it is sent. */
  readonly delay?: Delay;
  /**
   * A line of the service itself (who the visitor is, what a command did), not the visitor's words: no receipt and no
   * marker is asked for. mod_lhc drops its repeats and reports it as delivered like any other message.
   */
  readonly notice?: true;
}

/** When a message was said. */
export interface Delay {
  /** Milliseconds since 1970. */
  readonly at: number;
  /**
   * Who held it back. Default: the host of the receiver, because Gajim shows the time that its own server gives, and
   * anybody else's only as a note; the other clients show each alike.
   */
  readonly from?: string;
}

/** How far an operator's message has come: LHC has it (XEP-0184), or the visitor has seen it (XEP-0333). */
export type Acknowledgement = 'received' | 'displayed';

export type ChatState = 'active' | 'composing' | 'paused' | 'inactive' | 'gone';

export interface TransportListener {
  /**
   * This visitor's session is up (again), or was released and is kept after all: messages that were taken and not
   * delivered have to be sent again now.
   */
  sessionStarted(jid: string): void;
  /**
   * The session ended without our wish. `final`: it stays away (another login took its place, an administrator ended
   * it, its password is not accepted even after a reset) until `online` is called again; otherwise the transport is
   * already on its way to bring it back.
   */
  sessionLost(jid: string, reason: string, final: boolean): void;
  /**
   * ejabberd gave back a message that had been taken, as it does when the receiver's session died with it: send it
   * again with the same id (`unavailable`), or count it as failed (`refused`).
   */
  messageReturned?(jid: string, id: string, error: AppError): void;
}

/** Errors are {@link AppError}s: `unavailable` (try again later) or `refused` (a retry would not help; says why). */
export interface VisitorTransport {
  /**
   * Makes this visitor's session exist with this presence. Resolves when ejabberd has it; a newer call for the same
   * jid replaces an older one that still waits.
   */
  online(jid: string, presence: VisitorPresence): Promise<void>;
  /** Ends the session with an unavailable presence. Resolves when it is gone; nothing to do is fine. */
  offline(jid: string): Promise<void>;
  /**
   * Another process is going to have this visitor. Its session stays connected as it is, and nothing is done with it
   * any more, until ejabberd ends it because the other process has logged in. After `withinMs` (of several releases
   * the first to end counts) it is ended in order. `online` before that goes on with the same session, `offline` ends
   * it. Listeners are not told of its end. One that is not logged in is given up at once.
   */
  release(jid: string, withinMs: number): void;
  /** Releases every session; resolves when all of them were taken over, or ended because the time is over. */
  releaseAll(withinMs: number): Promise<void>;
  /** How many released sessions are still connected. */
  released(): number;
  /** Whether this visitor has a session now that was not released. */
  isOnline(jid: string): boolean;
  /**
   * Sends a message. Resolves when it is *taken*: ejabberd has processed it (an answer to a XEP-0199 ping sent behind
   * it on the same stream). Calls for one `from` keep their order.
   * @throws {AppError} `unavailable` when there is no session or it was lost before the answer: send again, same id;
   * `refused` when ejabberd returned it for good (no such operator), or it is too long
   */
  send(message: OutgoingMessage): Promise<void>;
  /** XEP-0085, sent at once or not at all. */
  chatState(from: string, to: string, state: ChatState): void;
  /**
   * Tells an operator how far its message `id` has come. Resolves when it is taken, as {@link send} does, and keeps its
   * place among the messages of `from`; sent again, it has the same stanza id.
   * @param from the visitor
   * @param to the operator: the full JID that wrote (carbons tell its other clients), or the bare one
   * @throws {AppError} as {@link send}
   */
  acknowledge(from: string, to: string, what: Acknowledgement, id: string): Promise<void>;
  /** JIDs with a session (or on the way to one), without those that were released. */
  sessions(): readonly string[];
  listen(listener: TransportListener): void;
  /** Ends every session in order, bounded by `deadlineMs`, and stops. */
  close(deadlineMs: number): Promise<void>;
}

/** What the service asks of ejabberd's admin API (mod_http_api). Every call throws AppError as above. */
export interface EjabberdAdmin {
  /** ejabberd's version, e.g. `23.01`. Also the health check. */
  version(): Promise<string>;
  /** `created` or `exists`. */
  register(jid: string, password: string): Promise<'created' | 'exists'>;
  /** Idempotent. Leaves no shared group: call {@link leaveGroup} too. */
  unregister(jid: string): Promise<void>;
  accountExists(jid: string): Promise<boolean>;
  changePassword(jid: string, password: string): Promise<void>;
  /** The name in the account's vCard, from which its contacts' rosters take it. The rest of the vCard stays. */
  setNickname(jid: string, nickname: string): Promise<void>;
  /**
   * A visitor's whole vCard: its name, and a picture made from its JID. Written only if ejabberd has another name, so
   * that it is free to call. Whether ejabberd likes it isn't told: a vCard is never a reason to hold up a visitor.
   * @returns whether it was written; rosters that show the contact have the older name until it joins its group again
   */
  setVisitorCard(jid: string, name: string): Promise<boolean>;
  /** Makes both shared groups of a tenant, each displaying the other, and reads them back. Idempotent. */
  ensureGroups(host: string, groups: { visitors: string; operators: string }): Promise<void>;
  joinGroup(jid: string, group: string): Promise<void>;
  leaveGroup(jid: string, group: string): Promise<void>;
  /** Bare JIDs of a group. */
  groupMembers(host: string, group: string): Promise<readonly string[]>;
  /** Local parts of the accounts of a host. */
  accounts(host: string): Promise<readonly string[]>;
  /** A user's sessions now. */
  sessions(jid: string): Promise<readonly OperatorSession[]>;
  kick(jid: string, resource: string, reason: string): Promise<void>;
  /** A message in a visitor's name where the visitor has no session (`send_stanza`). */
  sendMessage(message: OutgoingMessage): Promise<void>;
  /** A chat state in a visitor's name where its session is another process's (`send_stanza`). */
  sendChatState(from: string, to: string, state: ChatState): Promise<void>;
  /** A receipt or marker in a visitor's name where it has no session (`send_stanza`). */
  sendAcknowledgement(from: string, to: string, what: Acknowledgement, id: string): Promise<void>;
}

export interface OperatorSession {
  readonly resource: string;
  /** `available`, `away`, `xa`, `dnd`, `chat` as ejabberd reports it. */
  readonly show: string;
  readonly status: string;
}
