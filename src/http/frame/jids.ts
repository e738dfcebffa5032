/** Rows of the read models with the XMPP addresses that callers see. */
import { operatorJid, visitorJid } from '../../actors/ids.ts';
import type { TenantSettings } from '../../actors/tenant/settings.ts';
import type { ChatView } from '../../projections/chat-queries.ts';
import type { OperatorView } from '../../projections/operator-queries.ts';
import type { VisitorView } from '../../projections/visitor-queries.ts';

export const visitorWithJid = (tenant: TenantSettings, visitor: VisitorView) => ({
  ...visitor,
  jid: visitorJid(tenant, visitor.key),
});

/** A chat with its visitor's address. */
export const chatWithJid = <C extends ChatView>(tenant: TenantSettings, chat: C) => ({
  ...chat,
  jid: visitorJid(tenant, chat.visitor),
});

export const operatorWithJid = (tenant: TenantSettings, operator: OperatorView) => ({
  ...operator,
  jid: operatorJid(tenant, operator.username),
});
