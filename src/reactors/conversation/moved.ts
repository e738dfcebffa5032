/**
 * A visitor in a chat whose address has changed, because their tenant has another transport now (docs/adr/0056): the
 * operator reads in the old conversation where it goes on.
 */
import type { Logger } from 'pino';
import { operatorJid, type TenantId, type VisitorKey, visitorJid } from '../../actors/ids.ts';
import type { Tenant } from '../../actors/tenant/tenant.ts';
import { isRefused, messageOf } from '../../errors.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { EjabberdAdmin, VisitorTransport } from '../../xmpp/port.ts';
import { marked } from '../texts/mark.ts';
import { movedText } from '../texts/moved-text.ts';

import { lineIdOf } from './delivery.ts';

interface MovedOptions {
  readonly actors: Pick<Actors, 'visitor'>;
  readonly admin: Pick<EjabberdAdmin, 'sendMessage'>;
  readonly transport: Pick<VisitorTransport, 'isOnline' | 'send'>;
  readonly logger: Logger;
}

/** @returns as Moves (src/reactors/visitors/places.ts) has it */
export const createMoved =
  ({ actors, admin, transport, logger }: MovedOptions) =>
  async (
    tenant: Tenant,
    visitor: { readonly tenant: TenantId; readonly key: VisitorKey },
    from: string,
  ): Promise<void> => {
    const state = await actors.visitor(visitor.tenant, visitor.key).state();
    const chat = state?.context.chat;
    if (!state || !chat?.operator) return;
    const message = {
      // The same after a crash, and another one for a second change in the same chat, if anything was said between.
      id: lineIdOf(state.revision, `moved-${chat.id}`),
      from,
      to: operatorJid(tenant, chat.operator),
      body: marked(movedText(visitorJid(tenant, visitor.key))),
      notice: true,
    } as const;
    try {
      await (transport.isOnline(from) ? transport.send(message) : admin.sendMessage(message));
    } catch (error) {
      if (!isRefused(error)) throw error;
      logger.debug(
        { visitor: visitor.key, reason: messageOf(error) },
        'the operator does not know',
      );
    }
  };
