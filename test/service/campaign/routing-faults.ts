/** Checks the routing in the log of a campaign. The log is read through /debug, as an engineer would do. */
import type { Tenant, World } from '../../support/world.ts';

interface RecordedFact {
  readonly type: string;
  readonly revision: number;
  readonly data: Readonly<Record<string, unknown>>;
}

const PAGE = 500;

/** All facts of a stream. */
export async function factsOf(
  world: Pick<World, 'service'>,
  stream: string,
): Promise<RecordedFact[]> {
  const facts: RecordedFact[] = [];
  for (let from: string | null = '0'; from !== null; ) {
    const path = `/debug/streams/${stream}?limit=${PAGE}&from=${from}`;
    const { status, body } = await world.service.call('GET', path);
    if (status !== 200) throw new Error(`${path}: ${status} ${JSON.stringify(body)}`);
    facts.push(...body.items);
    from = body.next;
  }
  return facts;
}

/** The owners of each chat, from the API. */
export async function ownersOf(tenant: Tenant): Promise<Map<string, string[]>> {
  const { items } = await tenant.ask('GET', '/operators');
  const owners = new Map<string, string[]>();
  for (const { username, chats } of items) {
    for (const { chatId } of chats) {
      owners.set(chatId, [...(owners.get(chatId) ?? []), username]);
    }
  }
  return owners;
}

/** By department: the most chats of the department that one operator may have. */
type Bounds = Readonly<Record<string, number>>;

/** Finds reservations beyond the capacity, and chats with two owners, with no owner or without an end. */
export async function routingFaults(
  world: World,
  tenant: Tenant,
  operators: readonly string[],
  chats: readonly { readonly visitor: string; readonly chatId: string }[],
  bounds: Bounds = {},
): Promise<string[]> {
  const faults: string[] = [];
  for (const name of operators) {
    let capacity = 0;
    /** The department of each chat of the operator. */
    const departments = new Map<unknown, unknown>();
    for (const { type, data } of await factsOf(world, `operator-${tenant.id}.${name}`)) {
      if (type === 'OperatorRegistered') capacity = Number(data.capacity);
      if (type === 'ChatReserved' && departments.size >= capacity)
        faults.push(`${name} was given more chats than their capacity`);
      // The limit of a department does not bind a transfer to a named operator.
      if (type === 'ChatReserved' && !String(data.reservation).startsWith('transfer:')) {
        const same = departments.values().filter((department) => department === data.department);
        const bound = bounds[String(data.department)] ?? Number.POSITIVE_INFINITY;
        if ([...same].length >= bound)
          faults.push(`${name} was given too many chats of ${data.department}`);
      }
      if (type === 'ChatReserved' || type === 'ChatConfirmed')
        departments.set(data.chatId, data.department);
      if (type === 'ChatReleased') departments.delete(data.chatId);
    }
    if (departments.size > 0) faults.push(`${name} still has ${[...departments.keys()]}`);
  }
  const started = new Set<unknown>();
  for (const visitor of new Set(chats.map((chat) => chat.visitor))) {
    let open: unknown = null;
    let owner: unknown = null;
    let answered = false;
    for (const { type, data } of await factsOf(world, `visitor-${tenant.id}.${visitor}`)) {
      if (type === 'ChatStarted') {
        started.add(data.chatId);
        [open, owner, answered] = [data.chatId, null, false];
      } else if (type === 'ChatAssigned') {
        // An operator may take a chat from an owner who has not answered.
        if (owner !== null && (answered || data.reservation !== null)) {
          faults.push(`${open} was given to ${data.operator} while ${owner} had it`);
        }
        [owner, answered] = [data.operator, false];
      } else if (type === 'ChatAccepted') {
        if (owner !== data.operator) faults.push(`${data.operator} answered ${open} of ${owner}`);
        answered = true;
      } else if (type === 'ChatTransferred') {
        [owner, answered] = [data.operator, false];
      } else if (type === 'ChatUnassigned' && !data.broadcast) {
        [owner, answered] = [null, false];
      } else if (type === 'ChatClosed') {
        [open, owner] = [null, null];
      }
    }
    if (open !== null) faults.push(`${open} was never closed`);
  }
  for (const { chatId } of chats) if (!started.has(chatId)) faults.push(`${chatId} is lost`);
  return faults;
}
