/**
 * The client rig: real XMPP clients as operators of a real service (docs/clients.md). A client is a program of somebody
 * else. Here is what the rig wants of each, and every file beside this one that is named after a client makes it do so.
 * `scripts/test-clients.ts` is the entry point.
 */

/** Whom a client logs in, and where. */
export interface Account {
  readonly username: string;
  readonly domain: string;
  readonly password: string;
  /** TCP without TLS on loopback. */
  readonly port: number;
  /** WebSocket without TLS on loopback. */
  readonly websocket: string;
  /** TCP with STARTTLS, for a client that insists on it: the address, and the certificate authority as a PEM file. */
  readonly tls: { readonly address: string; readonly authority: string };
}

/** A contact, as the client lists it. */
export interface Contact {
  readonly name: string;
  /** The status text as the client has it: what it shows of that is a matter of its width. */
  readonly status: string;
  /** `available`, `chat`, `away` …, or `unavailable`, as far as the client tells. */
  readonly show: string;
}

export interface Client {
  /** For the command line: lower case. */
  readonly name: string;
  readonly version: string;
  /** Starts it with the profile of before, and waits until it has logged in. */
  start(): Promise<void>;
  /** Ends it at once, without a logout. The profile stays. */
  kill(): Promise<void>;
  /** Undefined if the list does not have it. */
  contact(jid: string): Promise<Contact | undefined>;
  /** Opens the conversation. */
  open(jid: string): Promise<void>;
  write(jid: string, text: string): Promise<void>;
  /** Replaces the last message (XEP-0308). Null if the client cannot. */
  readonly correct: ((jid: string, text: string) => Promise<void>) | null;
  /**
   * Runs an ad-hoc command (XEP-0050) that takes no form. Absent if the client has none, or if nobody drives its dialog.
   * @returns what the client shows then
   */
  readonly command?: (jid: string, node: string) => Promise<string>;
  /** Takes back our message with this text (XEP-0424). Absent if the client cannot, or if nobody drives its menu. */
  readonly retract?: (jid: string, text: string) => Promise<void>;
  /** Reacts to the message with this text (XEP-0444). Absent as above. */
  readonly react?: (jid: string, text: string, emoji: string) => Promise<void>;
  /**
   * Waits for the invitation into a room (XEP-0249), accepts it as a person does, and is in the room. From then on the
   * address of the room is as good as a contact's.
   */
  accept(room: string, nick: string): Promise<void>;
  /** Writes to one person in the room (XEP-0045 §7.5). Absent if the client cannot, or if nobody drives it. */
  readonly whisper?: (room: string, nick: string, text: string) => Promise<void>;
  /** What the conversation shows or stores, in order: a text for each message. */
  messages(jid: string): Promise<readonly string[]>;
  /** Writes a PNG file, with this conversation open; null: of the contact list. */
  screenshot(path: string, jid: string | null): Promise<void>;
  /** The stanzas of this run so far, as the client itself reports them. */
  stanzas(): Promise<{ readonly sent: readonly string[]; readonly received: readonly string[] }>;
  /** Ends it and everything that was started for it. */
  close(): Promise<void>;
}

/** Makes a client whose files are in the folder. Nothing runs yet. */
export type MakeClient = (account: Account, folder: string) => Promise<Client>;

/** A client that cannot be had on this machine: what is missing, and how to get it. */
export class Missing extends Error {}
