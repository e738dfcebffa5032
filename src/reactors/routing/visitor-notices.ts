/** Tells visitors who wait that nobody answers now: their department is closed, or too many wait. Once for each chat. */
import { awayMessageOf, fullMessageOf } from '../../actors/tenant/department-settings.ts';
import type { Tenant } from '../../actors/tenant/tenant.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { Departments } from './departments.ts';
import { tryCommand } from './repair.ts';
import type { RoutableChat, RoutingTables } from './table-queries.ts';

interface NoticesOptions {
  readonly actors: Pick<Actors, 'visitor'>;
  readonly tenant: Tenant;
  readonly tables: Pick<RoutingTables, 'closedAndUntold' | 'beyondLimitAndUntold'>;
  readonly departments: Departments;
  /** Does the work for one chat: an actor that fails costs itself. */
  readonly forChat: (chat: RoutableChat, work: () => Promise<void>) => Promise<void>;
}

export async function tellWaitingVisitors(options: NoticesOptions): Promise<void> {
  const { actors, tenant, tables, departments, forChat } = options;
  const { routing, id } = tenant;
  const { closed, lastWithinLimit } = departments;
  async function tell(chat: RoutableChat, reason: 'closed' | 'full', text: string | null) {
    if (text === null) return;
    const { visitor, chatId, department } = chat;
    const until = reason === 'closed' ? departments.opening(department).until : null;
    const command = { type: 'NotifyVisitor', chatId, reason, text, until } as const;
    await forChat(chat, async () => {
      await tryCommand(actors.visitor(id, visitor).send(command));
    });
  }
  const telling = {
    names: closed.names.filter((name) => awayMessageOf(routing, name) !== null),
    others: closed.others && awayMessageOf(routing, null) !== null,
    named: closed.named,
  };
  if (telling.names.length > 0 || telling.others) {
    for (const chat of tables.closedAndUntold(id, telling)) {
      await tell(chat, 'closed', awayMessageOf(routing, chat.department));
    }
  }
  for (const [department, last] of lastWithinLimit) {
    const text = fullMessageOf(routing, department);
    if (text === null) continue;
    for (const chat of tables.beyondLimitAndUntold(id, department, last)) {
      await tell(chat, 'full', text);
    }
  }
}
