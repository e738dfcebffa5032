/** The operators of a campaign and their chats with visitors, and the checks at its end. */
import { waitFor } from '../../support/wait.ts';
import type { Tenant, World } from '../../support/world.ts';
import { type ReconnectingOperator, reconnectingOperator } from './operator.ts';

const OPERATORS = 3;
export const CAPACITY = 4;
const END_DEADLINE_MS = 120_000;
/** One place of each operator is left for visitors who start and end chats all the time. */
const VISITORS = OPERATORS * (CAPACITY - 1);

export async function makeOperators(world: World, tenant: Tenant): Promise<ReconnectingOperator[]> {
  const operators: ReconnectingOperator[] = [];
  for (let index = 0; index < OPERATORS; index++) {
    const username = `op${index}`;
    await tenant.register(username, { capacity: CAPACITY });
    operators.push(
      await reconnectingOperator({
        service: world.ejabberd.xmpp,
        domain: tenant.host,
        username,
        password: 'pw',
        resource: 'campaign',
      }),
    );
    await tenant.operatorIs(username, 'available');
  }
  return operators;
}

/** Starts a chat for each visitor. @returns the owner of each visitor's chat */
export async function openChats(
  tenant: Tenant,
  operators: readonly ReconnectingOperator[],
): Promise<Map<string, ReconnectingOperator>> {
  const chats = new Map<string, ReconnectingOperator>();
  for (let index = 0; index < VISITORS; index++) {
    const visitor = `${index}`;
    await tenant.view(visitor, { page: 'https://shop.test/' });
    await tenant.ask('POST', `/visitors/${visitor}/chats`, {
      chatId: `c${index}`,
      department: 'sales',
    });
    const { data } = await tenant.callback('chat.assigned', (each) => each.visitor === visitor);
    const owner = operators.find(({ username }) => username === data.operator?.username);
    if (!owner) throw new Error(`chat c${index} was assigned to ${data.operator?.username}`);
    chats.set(visitor, owner);
  }
  return chats;
}

/**
 * Checks at the end that no work is pending, that every chat has one owner, and that closing the chats frees every place.
 * @returns every broken promise
 */
export async function finalFaults(
  world: World,
  tenant: Tenant,
  operators: readonly ReconnectingOperator[],
  chats: ReadonlyMap<string, ReconnectingOperator>,
  /** Effects that earlier runs left on the same log. */
  pendingBefore = 0,
): Promise<string[]> {
  const faults: string[] = [];
  const expectSoon = async (what: string, condition: () => Promise<boolean>): Promise<void> => {
    await waitFor(condition, { deadlineMs: END_DEADLINE_MS, every: 100, what }).catch(
      (error: unknown) => {
        faults.push(String(error));
      },
    );
  };
  const chatsOfOperators = async (): Promise<
    { operator: string; chatId: string; visitor: string }[]
  > => {
    const { items } = await tenant.ask('GET', '/operators');
    return items.flatMap(
      ({
        username,
        chats: of,
      }: {
        username: string;
        chats: { chatId: string; visitor: string }[];
      }) => of.map((chat) => ({ operator: username, ...chat })),
    );
  };

  await expectSoon(
    'no effect to be pending',
    async () => (await world.metric('xmpp_chat_effects_pending')) <= pendingBefore,
  );
  await expectSoon('each chat to have one owner', async () => {
    const now = await chatsOfOperators();
    return [...chats].every(([visitor, { username }]) => {
      const owners = now.filter((chat) => chat.visitor === visitor);
      return owners.length === 1 && owners[0]?.operator === username;
    });
  });
  // A shared log also has the dead letters of earlier runs, of other tenants.
  const letters = await world.service.call('GET', `/debug/dead-letters?tenant=${tenant.id}`);
  if (letters.body.items.length > 0) faults.push(`dead letters: ${JSON.stringify(letters.body)}`);
  for (const visitor of chats.keys()) {
    await tenant.ask('POST', `/visitors/${visitor}/chats/c${visitor}/close`, { by: 'system' });
  }
  await expectSoon('every place to be free', async () => (await chatsOfOperators()).length === 0);
  const { body } = await world.service.call('GET', '/readyz');
  if (body.status !== 'ready' || body.unfit.count !== 0) faults.push(JSON.stringify(body));
  for (const { username } of operators) await tenant.operatorIs(username, 'available');
  return faults;
}
