/**
 * XMPP as the rest of the service sees it: visitors' sessions ({@link VisitorTransport}) and ejabberd's admin API
 * ({@link EjabberdAdmin}). This file is all that reactors import from this folder. The adapters are
 * `sessions/accounts.ts` (one login per visitor), `component/component.ts` (one stream for all visitors of a host) and
 * `admin/admin.ts`; the composition root builds them.
 */
import type { AppError } from '../errors.ts';

/** What operators see of a visitor. */
export interface VisitorPresence {
  readonly show?: 'chat' | 'away' | 'xa' | 'dnd';
  readonly status: string;
  /** XEP-0172, carried in the presence. */
  readonly nick: string;
  /** LHC can show operators' words alone: no reactions, and it takes nothing back. The capabilities say so. */
  readonly wordsAlone?: true;
}

/** A visitor's message to an operator. `id` is the stanza id and the XEP-0359 origin-id. */
export interface OutgoingMessage {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly body: string;
  readonly thread?: string;
  /** XEP-0203: the message was written earlier than it is sent. */
  readonly delay?: Delay;
  /**
   * A line of the service (who the visitor is, what a command did), not the visitor's words. It asks for no receipt.
   * mod_lhc drops its repeats and reports its delivery, like those of any other message.
   */
  readonly notice?: true;
  /** The body is the address of a file, and nothing else: clients show a picture, or offer a download (XEP-0066). */
  readonly isFile?: true;
  /**
   * The sender's reactions to the receiver's message `to` are these now (XEP-0444). The body is for clients that know no
   * reactions; without one it is `''`.
   */
  readonly reactions?: { readonly to: string; readonly emojis: readonly string[] };
  /**
   * `to` is the room of a visitor's chat (docs/adr/0062): everybody in it reads the message. It is taken when the room has
   * processed it. It asks for no receipt, and is never reported by {@link TransportListener.messageReturned}.
   */
  readonly room?: true;
  /** The room shows the same: mod_lhc gives this one only to sessions that are not in the room. */
  readonly inRoom?: true;
}

/** When a message was written. */
export interface Delay {
  /** Milliseconds since 1970. */
  readonly at: number;
  /**
   * The JID that delayed the message. Default: the receiver's host. Gajim shows the time that its own server gives, and
   * any other only as a note. Other clients make no difference.
   */
  readonly from?: string;
}

/** How far an operator's message has come: LHC has it (XEP-0184), or the visitor has seen it (XEP-0333). */
export type Acknowledgement = 'received' | 'displayed';

/** XEP-0085. */
export type ChatState = 'active' | 'composing' | 'paused' | 'inactive' | 'gone';

export interface TransportListener {
  /**
   * The visitor's session is up (again), or its hand-over was cancelled. Messages that were taken and not delivered
   * have to be sent again now.
   */
  sessionStarted(jid: string): void;
  /**
   * The session ended, and this process did not end it.
   * @param final true: the session stays away until {@link VisitorTransport.online} is called again (another login took
   * its place, an administrator ended it, or a password reset did not help). False: the transport is already logging
   * in again.
   */
  sessionLost(jid: string, reason: string, final: boolean): void;
  /**
   * A message came back after it was taken. That happens when the receiver's session dies with the message. Errors from
   * anybody but the receiver are never reported.
   * @param message its id, and the bare JID that it was sent to
   * @param error `unavailable`: the receiver's server asks to wait. `refused`: any other error. Its message is the stanza
   * error condition alone, and `details.returned` is true
   */
  messageReturned?(
    jid: string,
    message: { readonly id: string; readonly to: string },
    error: AppError,
  ): void;
  /**
   * The component's stream to this host is up: at first, and after each loss. ejabberd may have been restarted, and
   * mod_lhc's contacts with it, so they have to be compared ({@link ComponentTransport.contacts}).
   * `sessionStarted` follows for those visitors alone who have something to send again.
   */
  streamStarted?(host: string): void;
  /** The component's stream to this host was lost. It connects again by itself; `sessionLost` is not called. */
  streamLost?(host: string, reason: string): void;
}

/** In the details of an error: so many contacts of a tenant are in mod_lhc at most, and there is no place for this one. */
export const MOST_CONTACTS = 'mostContacts';

/** Errors are {@link AppError}s: `unavailable` (try again later) or `refused` (a retry would not help). */
export interface VisitorTransport {
  /**
   * Gives this visitor a session with this presence, logging in if needed. A presence is sent only if it differs from
   * the last one. Resolves when ejabberd has taken it. A newer call for the same JID replaces an older one that waits.
   * @returns false if nothing had to be sent
   */
  online(jid: string, presence: VisitorPresence): Promise<boolean>;
  /**
   * Ends the session with an unavailable presence. Resolves when it has ended; does nothing if there is none.
   * @param isForGood by the component, what operators have stored of the visitor in their rosters goes too. An account's
   *   removal does not depend on it
   * @throws {AppError} `unavailable`: by the component, while there is no stream. The contact goes with the next one
   */
  offline(jid: string, isForGood?: boolean): Promise<void>;
  /**
   * Prepares the hand-over of this visitor to another process. The session stays connected and is no longer used, until
   * ejabberd ends it because the other process has logged in. {@link online} cancels the hand-over and goes on with the
   * same session; {@link offline} ends the session. Listeners do not hear of that end. A login in progress is aborted.
   * @param withinMs after this time the session ends with an unavailable presence; the shortest of several calls counts
   */
  release(jid: string, withinMs: number): void;
  /** Releases every session. Resolves when other processes took them all over, or `withinMs` is over. */
  releaseAll(withinMs: number): Promise<void>;
  /** Sessions that were released and are still connected. */
  handOverCount(): number;
  /** True if this visitor has a session that was not released. */
  isOnline(jid: string): boolean;
  /**
   * Sends a message. Resolves when ejabberd has taken it, that is, answered a XEP-0199 ping sent behind it on the same
   * stream. Calls with the same `from` keep their order.
   * @throws {AppError} `unavailable`: there is no session, or it was lost before the answer; send again with the same
   * id. `refused`: the message came back (no such operator; the error's message is the stanza error condition alone), or
   * it is too long
   */
  send(message: OutgoingMessage): Promise<void>;
  /** Sends a chat state (XEP-0085) now, or drops it. */
  chatState(from: string, to: string, state: ChatState): void;
  /**
   * Shows one operator another status of the visitor (a directed presence, RFC 6121 §4.6), now or not at all. The next
   * presence for all replaces it.
   * @param status null: the visitor's own again
   */
  preview(from: string, to: string, status: string | null): void;
  /**
   * Tells an operator how far their message `id` has come. Resolves when ejabberd has taken it, as {@link send} does,
   * and keeps its order with the messages of the same `from`. A repeat has the same stanza id.
   * @param from the visitor
   * @param to the operator: the full JID that wrote (carbons inform the other clients), or the bare JID
   * @throws {AppError} as {@link send}
   */
  acknowledge(from: string, to: string, what: Acknowledgement, id: string): Promise<void>;
  /** JIDs with a session, or with a login in progress; without those that were released. */
  sessions(): readonly string[];
  listen(listener: TransportListener): void;
  /** Ends every session with an unavailable presence, within `deadlineMs`, and stops. */
  close(deadlineMs: number): Promise<void>;
}

/** A visitor in the rosters of a tenant's operators, as mod_lhc has it. */
export interface Contact {
  /** Bare. */
  readonly jid: string;
  /** Of everything that operators see. Opaque; equal contacts have equal hashes. */
  readonly hash: string;
}

/**
 * The transport "component" for one host. A visitor is shown by a contact in mod_lhc's table. The contact outlives the
 * stream and this process: {@link close} and {@link release} leave it, and {@link offline} removes it.
 */
export interface ComponentTransport extends VisitorTransport {
  /**
   * What mod_lhc has, in order of JID, in pages of some hundred. Of every process.
   * @param instance `''` for a tenant that has its host alone
   * @throws {AppError} `unavailable` without a stream or an answer; `refused`: mod_lhc does not know contacts
   */
  contacts(instance: string): AsyncIterable<readonly Contact[]>;
  /**
   * Says what mod_lhc has of this visitor. A visitor who is online is then sent again if that differs; of any other it is
   * remembered, so that {@link online} sends nothing in vain and {@link offline} removes the contact.
   * @param hash null: mod_lhc has no such contact
   */
  found(jid: string, hash: string | null): void;
  /** Sends for visitors who are not shown here. They need no contact. */
  readonly unshown: Pick<
    EjabberdAdmin,
    'sendMessage' | 'sendChatState' | 'sendAcknowledgement' | 'returnMessage'
  >;
}

/**
 * ejabberd's admin API (mod_http_api), as far as the service uses it. Every call throws AppError as above. If the call
 * crashed in ejabberd, `details.reason` is `crash`; if ejabberd does not serve the host, it is `unserved host`.
 */
export interface EjabberdAdmin {
  /** ejabberd's version, e.g. `23.01`. Also serves as the health check. */
  version(): Promise<string>;
  register(jid: string, password: string): Promise<'created' | 'exists'>;
  /** Idempotent. Shared groups keep the member: call {@link leaveGroup} too. */
  unregister(jid: string): Promise<void>;
  accountExists(jid: string): Promise<boolean>;
  changePassword(jid: string, password: string): Promise<void>;
  /** Sets the name in the account's vCard, which contacts' rosters show. The rest of the vCard stays. */
  setNickname(jid: string, nickname: string): Promise<void>;
  /**
   * Sets a visitor's whole vCard: the name, and a picture made from the JID. Writes only if ejabberd has another name,
   * so a repeated call is cheap. A vCard that ejabberd refuses raises no error: a visitor must not wait for it.
   * @returns true if it was written. Rosters that already list the contact keep its older name until the visitor joins
   * the group again
   */
  setVisitorCard(jid: string, name: string): Promise<boolean>;
  /** Creates both shared groups of a tenant, each displaying the other, and reads them back. Idempotent. */
  ensureGroups(host: string, groups: TenantGroups): Promise<void>;
  /** What is wrong with both shared groups of a tenant; null if they exist and each displays the other. Changes nothing. */
  groupsFault(host: string, groups: TenantGroups): Promise<string | null>;
  /** Deletes a shared group with the list of its members, and reads that back. Idempotent. Its members keep their accounts. */
  deleteGroup(host: string, group: string): Promise<void>;
  /** The log that the members of this group belong to, as {@link markGroup} has noted it; null if nobody has. */
  groupMark(host: string, group: string): Promise<string | null>;
  /** Notes in the group of visitors which log they belong to, and reads it back. @param mark a UUID */
  markGroup(
    host: string,
    groups: { visitors: string; operators: string },
    mark: string,
  ): Promise<void>;
  joinGroup(jid: string, group: string): Promise<void>;
  leaveGroup(jid: string, group: string): Promise<void>;
  /** Bare JIDs of a group. */
  groupMembers(host: string, group: string): Promise<readonly string[]>;
  /** Bare JIDs in a user's roster: their own contacts, and those of shared groups. None for a user without an account. */
  rosterContacts(jid: string): Promise<readonly string[]>;
  /**
   * Removes a contact from a user's own roster. Clients that are online see it at once. Idempotent. A member of a group
   * that the user sees is not removed but stored in the roster.
   */
  removeContact(jid: string, contact: string): Promise<void>;
  /**
   * Lists the accounts of a host, however many.
   * @param take called with local parts, some at a time. If the call fails the list was not complete
   */
  accounts(host: string, take: (locals: readonly string[]) => void): Promise<void>;
  /** A user's current sessions. */
  sessions(jid: string): Promise<readonly OperatorSession[]>;
  kick(jid: string, resource: string, reason: string): Promise<void>;
  /** Sends a message in the name of a visitor without a session (`send_stanza`). */
  sendMessage(message: OutgoingMessage): Promise<void>;
  /** Sends a chat state in the name of a visitor whose session belongs to another process (`send_stanza`). */
  sendChatState(from: string, to: string, state: ChatState): Promise<void>;
  /** Returns a message to its sender with an error, in the name of its addressee (`send_stanza`). */
  returnMessage(message: ReturnedMessage): Promise<void>;
  /** Sends a receipt or marker in the name of a visitor without a session (`send_stanza`). */
  sendAcknowledgement(from: string, to: string, what: Acknowledgement, id: string): Promise<void>;
}

/** The names of a tenant's two shared groups. */
export interface TenantGroups {
  readonly visitors: string;
  readonly operators: string;
  /** The operators' group displays itself too. */
  readonly operatorsSeeEachOther?: boolean;
}

/** A message that comes back with an error (RFC 6120 §8.3). */
export interface ReturnedMessage {
  /** The JID that it was sent to. */
  readonly from: string;
  /** The full JID that sent it. */
  readonly to: string;
  readonly id: string;
  readonly condition: 'item-not-found' | 'forbidden' | 'policy-violation';
  readonly reason: string;
}

export interface OperatorSession {
  readonly resource: string;
  /** `available`, `away`, `xa`, `dnd`, `chat` as ejabberd reports it. */
  readonly show: string;
  readonly status: string;
  /** RFC 6121 §4.7.2.3; -1 of a session without presence. */
  readonly priority: number;
}

/** A chat room of ejabberd's mod_muc. */
export interface Room {
  /** The local part of its JID. */
  readonly name: string;
  /** `conference.{host}` */
  readonly service: string;
}

/**
 * ejabberd's admin API for chat rooms: those of visitors' chats, and the private chats of LHC's operators
 * (docs/adr/0039). Every call throws AppError as above; `refused` also without mod_muc at this service.
 */
export interface EjabberdRooms {
  /** @param take called with local parts, some at a time. If the call fails the list was not complete */
  list(service: string, take: (names: readonly string[]) => void): Promise<void>;
  /** A room that exists stays as it is. */
  create(room: Room): Promise<void>;
  setOption(room: Room, option: string, value: string): Promise<void>;
  /** Lets this JID into a room for members only. */
  addMember(room: Room, jid: string): Promise<void>;
  /** Subscribes a JID (MUC/Sub): it may write without being there. @param nodes with commas between them */
  subscribe(room: Room, jid: string, nick: string, nodes: string): Promise<void>;
  /** Ends a subscription, soon. Idempotent. */
  unsubscribe(room: Room, jid: string): Promise<void>;
  /** Invites accounts directly (XEP-0249), but nobody who is in the room. */
  invite(room: Room, jids: readonly string[], reason: string): Promise<void>;
  /** Writes a message in the name of a subscriber. ejabberd does not say if the room refuses it. */
  say(room: Room, from: string, id: string, body: string): Promise<void>;
  /** Idempotent. */
  destroy(room: Room): Promise<void>;
}
