/** Answers as tables, for clients that show them (XEP-0004 §3.4). */
import type { TeamReading } from '../../runtime/desk-ports.ts';
import type { ResultTable } from '../../xmpp/ad-hoc.ts';
import type { OperatorNames } from '../operator-names.ts';
import { type Asked, choice } from './menu.ts';

/** Rows of one table. */
export const TABLE_MAX_ROWS = 50;

export interface TablesOptions {
  readonly team: Pick<TeamReading, 'colleagues' | 'queue'>;
  readonly names: Pick<OperatorNames, 'of'>;
  /** ms since 1970 */
  readonly now: () => number;
}

export function createTables({ team, names, now }: TablesOptions) {
  async function colleagues({ tenant }: Asked): Promise<ResultTable> {
    const { of: nameOf } = await names.of(tenant.id);
    const { items } = await team.colleagues(tenant.id, TABLE_MAX_ROWS);
    return {
      title: 'Operators',
      columns: [
        { name: 'operator', label: 'Operator' },
        { name: 'availability', label: 'State' },
        { name: 'chats', label: 'Chats' },
        { name: 'capacity', label: 'Places' },
        { name: 'departments', label: 'Departments' },
      ],
      rows: items.map(({ username, availability, chats, capacity, departments }) => ({
        operator: nameOf(username),
        availability,
        chats: String(chats),
        capacity: String(capacity),
        departments: departments.join(', '),
      })),
    };
  }

  async function queue({ tenant }: Asked): Promise<ResultTable> {
    const { of: nameOf } = await names.of(tenant.id);
    const { items } = await team.queue(tenant.id, TABLE_MAX_ROWS);
    return {
      title: 'Waiting visitors',
      columns: [
        { name: 'chat', label: 'Chat' },
        { name: 'visitor', label: 'Visitor' },
        { name: 'department', label: 'Department' },
        { name: 'minutes', label: 'Minutes' },
        { name: 'offered', label: 'Offered to' },
        { name: 'page', label: 'Page' },
      ],
      rows: items.map(({ chatId, visitor, nick, department, startedAt, offered, inLhc, page }) => ({
        chat: `#${chatId}`,
        visitor: choice(nick ?? visitor),
        department: department ?? '',
        minutes: String(Math.floor(Math.max(0, now() - startedAt) / 60_000)),
        offered: inLhc ? 'LHC' : offered.map(nameOf).join(', '),
        page: choice(page ?? ''),
      })),
    };
  }
  return { colleagues, queue };
}
