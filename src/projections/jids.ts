/** Rows of the read models with the XMPP addresses that callers see. */
import { operatorJid, type TenantNaming, visitorJid } from '../actors/ids.ts';
import type { ChatView } from './chat-queries.ts';
import type { OperatorView } from './operator-queries.ts';
import type { VisitorView } from './visitor-queries.ts';

export const visitorWithJid = (tenant: TenantNaming, visitor: VisitorView) => ({
  ...visitor,
  jid: visitorJid(tenant, visitor.key),
});

/** A chat with its visitor's address. */
export const chatWithJid = <C extends ChatView>(tenant: TenantNaming, chat: C) => ({
  ...chat,
  jid: visitorJid(tenant, chat.visitor),
});

export const operatorWithJid = (tenant: TenantNaming, operator: OperatorView) => ({
  ...operator,
  jid: operatorJid(tenant, operator.username),
});
