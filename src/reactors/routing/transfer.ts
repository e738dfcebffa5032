/** A chat is handed on by its operator, or by LHC: to another operator or to a department. */
import { type TenantId, Username } from '../../actors/ids.ts';
import { refuse } from '../../actors/machine/decider.ts';
import type { OperatorCommand } from '../../actors/operator/decisions.ts';
import type { TenantDirectory } from '../../actors/tenant/directory.ts';
import type { TenantSettings } from '../../actors/tenant/machine.ts';
import { place } from '../../actors/visitor/placement.ts';
import { AppError, isRefused, messageOf } from '../../errors.ts';
import type { Actors, Receiver, Transfer } from '../../runtime/ports.ts';
import { chatTerms } from './repair.ts';

export type { Transfer } from '../../runtime/ports.ts';

const NOBODY = { operator: null, department: null };

export function createTransfer(options: {
  actors: Actors;
  tenants: TenantDirectory;
  operatorsOf: (tenant: TenantId) => readonly Username[];
}): Transfer {
  const { actors, tenants, operatorsOf } = options;

  /** Departments that an operator serves or that the settings name. */
  async function departmentsOf(tenant: TenantSettings): Promise<readonly string[]> {
    const names = new Set(Object.keys(tenant.routing.departments));
    for (const username of operatorsOf(tenant.id)) {
      const state = await actors.operator(tenant.id, username).state();
      for (const department of state?.context.departments ?? []) names.add(department);
    }
    return [...names].sort();
  }

  /** @throws {AppError} `refused`: says who there is */
  async function receiverOf(tenant: TenantSettings, to: Receiver) {
    const wanted = 'name' in to ? to.name : 'operator' in to ? to.operator : to.department;
    if (!('department' in to)) {
      const username = Username.safeParse(wanted.trim().toLowerCase());
      if (username.success) {
        // Another process may just have registered him.
        const state = await actors.operator(tenant.id, username.data).latest();
        if (state?.context.registered) return { operator: username.data, department: null };
      }
      if ('operator' in to) return refuse(`there is no operator ${wanted}`, { field: 'operator' });
    }
    const departments = await departmentsOf(tenant);
    const same = (name: string) => name.toLowerCase() === wanted.trim().toLowerCase();
    const department = departments.find((name) => name === wanted) ?? departments.find(same);
    if (department !== undefined) return { operator: null, department };
    const known =
      departments.length > 0 ? `; departments: ${departments.slice(0, 20).join(', ')}` : '';
    const kind = 'name' in to ? 'operator or department' : 'department';
    return refuse(`there is no ${kind} ${wanted}${known}`, { field: 'department' });
  }

  return async (id, key, { chatId, from, to }, origin) => {
    const tenant = tenants.get(id);
    if (!tenant) throw new AppError('not-found', `tenant ${id} is not configured`);
    const visitor = actors.visitor(id, key);
    const state = await visitor.latest();
    const transferTo = (
      { operator, department }: { operator: Username | null; department: string | null },
      reservation: string | null,
    ) =>
      visitor.send(
        { type: 'TransferChat', chatId, from, operator, department, reservation },
        origin,
      );
    // A repeat is answered as such before its receiver is looked for: he may be gone by now.
    if (state?.seen.hasCommand(origin.commandId)) return transferTo(NOBODY, null);
    const receiver = await receiverOf(tenant, to);
    const { operator } = receiver;
    const transfer = (reservation: string | null) => transferTo(receiver, reservation);
    if (operator === null || from === null) return transfer(null);

    if (!state) return transfer(null); // an unknown visitor
    const { context } = state;
    const { chat } = context;
    if (!chat || chat.operator !== from) {
      // Refused by what was seen: should it be his by now, it must not go on without a place reserved.
      place(context, { type: 'TransferChat', chatId, from, ...receiver, reservation: null });
      return refuse('this chat is not yours');
    }
    if (operator === from) return refuse(`you have this chat already`);
    // The same reservation for the same wish: a repeat takes no second place.
    const reservation = `transfer:${origin.commandId}`;
    const held = { reservation, visitor: key, chatId: chat.id };
    const { commandId, correlationId = commandId } = origin;
    const command = (wish: OperatorCommand) =>
      actors.operator(id, operator).send(wish, { correlationId, causationId: commandId });
    try {
      await command({
        type: 'ReserveChat',
        ...held,
        ...chatTerms(tenant, chat.department),
        departmentCapacity: null, // it is a person's wish; the operator's own capacity counts
      });
    } catch (error) {
      if (!isRefused(error)) throw error;
      return refuse(`${operator} cannot have it: ${messageOf(error)}`);
    }
    try {
      const done = await transfer(reservation);
      await command({ type: 'TakeChat', ...held, ...chatTerms(tenant, chat.department) }).catch(
        () => undefined, // the sweep of routing does it
      );
      return done;
    } catch (error) {
      if (isRefused(error)) {
        await command({ type: 'ReleaseChat', ...held, reason: messageOf(error) });
      }
      throw error;
    }
  };
}
