/**
 * Operators' commands by menus and forms (XEP-0050): the same commands as in messages, carried out and answered by the same
 * parts (src/inbox/operator-commands, src/reactors/answers). At the desk there are those that concern no single chat, at a
 * visitor those of the conversation.
 */
import { deskOf, type Person, personOf } from '../../actors/ids.ts';
import type { TenantDirectory } from '../../actors/tenant/directory.ts';
import { hasCode } from '../../errors.ts';
import type { Budgets } from '../../inbox/budget.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { CommandHandler } from '../../xmpp/ad-hoc.ts';
import { createDeskMenu, type DeskMenuOptions } from './desk-menu.ts';
import { type Asked, createMenuTools, filledWith, type MenuToolsOptions } from './menu.ts';
import { createVisitorMenu, type VisitorMenuOptions } from './visitor-menu.ts';

const TOO_FAST = 'you ask faster than this service answers; try again in some seconds';
const AWAY = 'the service could not do it now; try again';

export type CommandsOptions = DeskMenuOptions &
  VisitorMenuOptions &
  MenuToolsOptions & {
    readonly tenants: TenantDirectory;
    readonly actors: Pick<Actors, 'operator' | 'visitor'>;
    readonly budgets: Budgets;
    /** ms since 1970 */
    readonly now: () => number;
  };

export function createDeskCommands(options: CommandsOptions): CommandHandler {
  const { tenants, actors, budgets, now } = options;
  const tools = createMenuTools(options);
  const atDesk = createDeskMenu(options, tools);
  const atVisitor = createVisitorMenu(options, tools);

  /** What LHC has no form for where it picks the operators itself (docs/adr/0037). */
  const notByLhc = new Set(['take', 'decline', 'transfer', 'room', 'room-close']);
  const commandsAt = ({ place, tenant }: Asked) =>
    place.visitor
      ? atVisitor.filter(({ node }) => tenant.routing.by !== 'lhc' || !notByLhc.has(node))
      : atDesk;

  /** Both are of one tenant, the operator is registered, and the visitor is known. */
  async function asked(to: string, from: string): Promise<Asked | null> {
    const operator = personOf(from, tenants.ofHost);
    if (operator?.kind !== 'operator') return null;
    const tenant = tenants.get(operator.tenant);
    if (!tenant || tenant.removing) return null;
    const visitor = personOf(to, tenants.ofHost);
    const isOfTenant =
      deskOf(to, tenants.ofHost) === tenant.id ||
      (visitor?.kind === 'visitor' && visitor.tenant === tenant.id);
    if (!isOfTenant) return null;
    const { name } = operator;
    if (!(await actors.operator(tenant.id, name).state())?.context.registered) return null;
    if (visitor?.kind !== 'visitor') return { tenant, place: { operator, visitor: null } };
    return (await isKnown(visitor)) ? { tenant, place: { operator, visitor } } : null;
  }
  const isKnown = async ({ tenant, name }: Extract<Person, { kind: 'visitor' }>) =>
    (await actors.visitor(tenant, name).state()) !== null;

  return {
    async list(to, from) {
      const found = await asked(to, from);
      return found && commandsAt(found).map(({ node, name }) => ({ node, name }));
    },
    async run(to, from, { node, values }) {
      const found = await asked(to, from);
      const command = found && commandsAt(found).find((each) => each.node === node);
      if (!found || !command) return null;
      const { operator } = found.place;
      const charge = budgets.charge(operator.tenant, operator.name, true, now());
      if (charge !== 'within') return { kind: 'too-fast', reason: TOO_FAST };
      try {
        if (!command.form || values) {
          const reply = await command.run(found, values ?? {});
          if (reply.kind !== 'faulty') return reply;
          const fault = `${reply.field}: ${reply.reason}`;
          const again = await command.form?.(found);
          if (!again || 'kind' in again) return again ?? { kind: 'refused', reason: fault };
          return { kind: 'form', form: filledWith(again, values ?? {}), fault };
        }
        const form = await command.form(found);
        return 'kind' in form ? form : { kind: 'form', form };
      } catch (error) {
        if (hasCode(error, 'unavailable', 'overloaded', 'timeout')) {
          return { kind: 'refused', reason: AWAY };
        }
        throw error;
      }
    },
  };
}
