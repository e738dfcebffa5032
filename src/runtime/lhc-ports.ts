/** What the reactors offer to LHC, as ports.ts. */
import type { TenantId, VisitorKey } from '../actors/ids.ts';
import type { Dispatched, Origin } from './ports.ts';

/** Chats of LHCs without an extension: LHC says which has changed, and it is read there (docs/lhc-without-extension.md). */
export interface LhcChats {
  /** The chat has changed. It is read at once, or with the next list. @returns false if too many chats wait */
  changed(tenant: TenantId, chatId: number): boolean;
  /** When LHC last said so to this process, ms since 1970; null if never. */
  lastWebhookAt(tenant: TenantId): number | null;
}

/** A person in LHC's own pages. */
export interface LhcPerson {
  /** 0 and -1: LHC itself; -2: a bot. */
  readonly lhcUserId: number;
  readonly name?: string | undefined;
}

/**
 * What LHC says of people who work in its own pages (docs/adr/0044).
 * @throws {AppError} from both: `not-found` for an unknown visitor; `refused` if the chat is not this visitor's last one
 */
export interface LhcPeople {
  /**
   * Who has a chat. An operator with a client in XMPP has it there, whatever their capacity; anybody else in LHC.
   * @param wish `accepted` false: who is asked to answer it
   */
  owner(
    tenant: TenantId,
    visitor: VisitorKey,
    wish: LhcPerson & { readonly chatId: string; readonly accepted: boolean },
    origin: Origin,
  ): Promise<Dispatched>;
  /** What somebody wrote in a chat. Whoever writes into a chat that nobody has answered has it then. */
  message(
    tenant: TenantId,
    visitor: VisitorKey,
    wish: LhcPerson & { readonly chatId: string; readonly id: string; readonly body: string },
    origin: Origin,
  ): Promise<Dispatched>;
}
