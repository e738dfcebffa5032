/** Transfers of a chat to another operator or to a department, by its operator or by LHC. */
import { type TenantId, Username, type VisitorKey } from '../../actors/ids.ts';
import { refuse } from '../../actors/machine/decider.ts';
import { load, type OperatorCommand } from '../../actors/operator/decisions.ts';
import { requireTenant, type TenantDirectory } from '../../actors/tenant/directory.ts';
import type { Tenant } from '../../actors/tenant/tenant.ts';
import { decidePlacement, refuseTransferByLhc } from '../../actors/visitor/chat-placement.ts';
import type { Chat, VisitorContext } from '../../actors/visitor/state.ts';
import { isRefused, messageOf } from '../../errors.ts';
import type { Actors, Dispatched, Origin, Receiver, Transfer } from '../../runtime/ports.ts';
import type { OperatorNames } from '../operator-names.ts';
import { foldName } from '../texts/names.ts';
import { chatTerms } from './repair.ts';

/** Departments that a refusal names. */
const DEPARTMENTS_IN_REFUSAL = 20;
/** Operators that a refusal names: who is free, or who has the same name. */
export const OPERATORS_IN_REFUSAL = 10;

interface TransferOptions {
  readonly actors: Actors;
  readonly tenants: TenantDirectory;
  readonly names: Pick<OperatorNames, 'of'>;
  /** Registered operators of a tenant, as far as this process has read the log. */
  readonly operatorsOf: (tenant: TenantId) => readonly Username[];
}

/** One transfer. */
interface Request {
  readonly actors: Actors;
  readonly tenant: Tenant;
  readonly visitor: VisitorKey;
  readonly chatId: string | null;
  /** The operator who transfers the chat; null if LHC does. */
  readonly from: Username | null;
  /** Of the person in LHC who transfers it. */
  readonly name?: string | undefined;
  readonly origin: Origin;
}

/** An operator, or a department. */
type Target =
  | { readonly operator: Username; readonly department: null }
  | { readonly operator: null; readonly department: string };

/** Departments that an operator serves or that the settings name. */
async function departmentsOf(
  { actors, operatorsOf }: TransferOptions,
  tenant: Tenant,
): Promise<readonly string[]> {
  const names = new Set(Object.keys(tenant.routing.departments));
  for (const username of operatorsOf(tenant.id)) {
    const state = await actors.operator(tenant.id, username).state();
    for (const department of state?.context.departments ?? []) names.add(department);
  }
  return [...names].sort();
}

/** The operator of this username; null if no such operator is registered. */
async function registeredOperator(
  { actors }: TransferOptions,
  tenant: Tenant,
  name: string,
): Promise<Username | null> {
  const username = Username.safeParse(name.trim().toLowerCase());
  if (!username.success) return null;
  // The latest state, because another process may have registered the operator a moment ago.
  const state = await actors.operator(tenant.id, username.data).latest();
  return state?.context.registered ? username.data : null;
}

/** An operator, and what to type for them. A refusal stands in a fact, so it has no names (`withNames`). */
const suggestion = (username: Username): string => `@${username} (!transfer ${username})`;

const listed = (items: readonly string[], most: number): string =>
  `${items.slice(0, most).join(', ')}${items.length > most ? ' …' : ''}`;

/**
 * The only one of these operators, or the only one beside the operator who writes.
 * @returns null without any @throws {AppError} `refused` if several are meant
 */
function onlyOne(operators: readonly Username[], from: Username | null): Username | null {
  if (operators.length < 2) return operators[0] ?? null;
  const others = operators.filter((each) => each !== from);
  if (others.length === 1) return others[0] ?? null;
  const who = listed(others.map(suggestion), OPERATORS_IN_REFUSAL);
  return refuse(`several operators have this name: ${who}`, { field: 'operator' });
}

/** Who could have the chat now, for an operator who wrote a wrong name. */
async function freeOperators(
  { actors, operatorsOf }: TransferOptions,
  tenant: Tenant,
  from: Username | null,
): Promise<string> {
  const free: Username[] = [];
  for (const username of operatorsOf(tenant.id)) {
    if (username === from) continue;
    const state = await actors.operator(tenant.id, username).state();
    if (state?.availability === 'available' && load(state.context) < state.context.capacity) {
      free.push(username);
    }
    if (free.length > OPERATORS_IN_REFUSAL) break;
  }
  if (free.length === 0) return '; nobody else is free now';
  return `; free now: ${listed(free.map(suggestion), OPERATORS_IN_REFUSAL)}`;
}

/**
 * Who is meant: the operator with this username, or else with this name; the department; the only operator with this word
 * in their name. LHC gives usernames (`operator`).
 * @throws {AppError} `refused`, with whom the operator may have meant and what to type
 */
async function targetOf(
  options: TransferOptions,
  tenant: Tenant,
  to: Receiver,
  from: Username | null,
): Promise<Target> {
  const toOperator = (operator: Username): Target => ({ operator, department: null });
  const name = 'name' in to ? to.name : 'operator' in to ? to.operator : to.department;
  if (!('department' in to)) {
    const operator = await registeredOperator(options, tenant, name);
    if (operator !== null) return toOperator(operator);
    if ('operator' in to) {
      // LHC has a list of its own.
      const free = from === null ? '' : await freeOperators(options, tenant, from);
      return refuse(`there is no operator ${name}${free}`, { field: 'operator' });
    }
  }
  const names = 'name' in to ? await options.names.of(tenant.id) : null;
  const called = names && onlyOne(names.called(name), from);
  if (called) return toOperator(called);
  const departments = await departmentsOf(options, tenant);
  const isSame = (each: string) => foldName(each) === foldName(name);
  const department = departments.find((each) => each === name) ?? departments.find(isSame);
  if (department !== undefined) return { operator: null, department };
  const meant = names && onlyOne(names.withWord(name), from);
  if (meant) return toOperator(meant);
  const known =
    departments.length > 0 ? `; departments: ${listed(departments, DEPARTMENTS_IN_REFUSAL)}` : '';
  const free = names ? await freeOperators(options, tenant, from) : '';
  const kind = names ? 'operator or department' : 'department';
  // What an operator has typed may be anybody's name, and the refusal becomes a fact.
  const which = names ? 'of that name' : name;
  return refuse(`there is no ${kind} ${which}${free}${known}`, { field: 'department' });
}

const transferTo = (
  { actors, tenant, visitor, chatId, from, name, origin }: Request,
  target: { readonly operator: Username | null; readonly department: string | null },
  reservation: string | null,
): Promise<Dispatched> =>
  actors
    .visitor(tenant.id, visitor)
    .send({ type: 'TransferChat', chatId, from, ...target, reservation, name }, origin);

/** Reserves a place of the receiver, transfers the chat and confirms it on the receiver's stream. */
async function transferReserved(
  request: Request,
  target: Target & { readonly operator: Username },
  chat: Chat,
): Promise<Dispatched> {
  const { actors, tenant, visitor, origin } = request;
  const { operator } = target;
  // The reservation comes from the command id, so a repeated command takes no second place.
  const reservation = `transfer:${origin.commandId}`;
  const { commandId, correlationId = commandId } = origin;
  const send = (command: OperatorCommand) =>
    actors.operator(tenant.id, operator).send(command, { correlationId, causationId: commandId });
  const claim = { reservation, visitor, chatId: chat.id };
  const terms = chatTerms(tenant, chat.department);
  try {
    // No limit by department: a person chose the receiver. The operator's own capacity counts.
    await send({ type: 'ReserveChat', ...claim, ...terms, departmentCapacity: null });
  } catch (error) {
    if (!isRefused(error)) throw error;
    return refuse(`@${operator} cannot have it: ${messageOf(error)}`);
  }
  try {
    const result = await transferTo(request, target, reservation);
    // After a failure here the sweep of routing confirms the chat.
    await send({ type: 'ConfirmChat', ...claim, ...terms }).catch(() => undefined);
    return result;
  } catch (error) {
    if (isRefused(error)) {
      await send({ type: 'ReleaseChat', ...claim, reason: messageOf(error) });
    }
    throw error;
  }
}

async function transferByOperator(
  request: Request,
  from: Username,
  target: Target & { readonly operator: Username },
  context: VisitorContext,
): Promise<Dispatched> {
  const { chatId } = request;
  const { chat } = context;
  if (!chat || chat.operator !== from) {
    // Refused by this state. A transfer without a reserved place must not succeed if the chat has become theirs since.
    decidePlacement(context, { type: 'TransferChat', chatId, from, ...target, reservation: null });
    return refuse('this chat is not yours');
  }
  if (target.operator === from) return refuse('you have this chat already');
  return transferReserved(request, target, chat);
}

export function createTransfer(options: TransferOptions): Transfer {
  const { actors, tenants } = options;
  return async (tenantId, visitor, { chatId, from, to, name }, origin) => {
    const tenant = requireTenant(tenants, tenantId);
    const request: Request = { actors, tenant, visitor, chatId, from, name, origin };
    const state = await actors.visitor(tenantId, visitor).latest();
    // A repeated command gets its first answer, although the receiver may not be registered any more.
    if (state?.seen.hasCommand(origin.commandId)) {
      return transferTo(request, { operator: null, department: null }, null);
    }
    if (state) refuseTransferByLhc(state.context);
    const target = await targetOf(options, tenant, to, from);
    // An unknown visitor (no state) is the visitor's stream to refuse.
    if (target.operator === null || from === null || !state) {
      return transferTo(request, target, null);
    }
    return transferByOperator(request, from, target, state.context);
  };
}
