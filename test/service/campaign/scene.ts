/** The people of a campaign: operators, and visitors in a chat with one of them. What must be true afterwards. */
import { waitFor } from '../../support/wait.ts';
import type { Tenant, World } from '../../support/world.ts';
import { type ReturningOperator, returningOperator } from './operator.ts';

const OPERATORS = 3;
export const CAPACITY = 4;
/** One place of each operator stays free for the visitors who come and go. */
const VISITORS = OPERATORS * (CAPACITY - 1);

export async function makeOperators(world: World, tenant: Tenant): Promise<ReturningOperator[]> {
  const operators: ReturningOperator[] = [];
  for (let index = 0; index < OPERATORS; index++) {
    const username = `op${index}`;
    await tenant.register(username, { capacity: CAPACITY });
    operators.push(
      await returningOperator({
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

/** A chat for each visitor, with its owner. */
export async function openChats(
  tenant: Tenant,
  operators: readonly ReturningOperator[],
): Promise<Map<string, ReturningOperator>> {
  const chats = new Map<string, ReturningOperator>();
  for (let index = 0; index < VISITORS; index++) {
    const visitor = `${index}`;
    await tenant.view(visitor, { page: 'https://shop.test/' });
    await tenant.ask('POST', `/visitors/${visitor}/chats`, {
      chatId: `c${index}`,
      department: 'sales',
    });
    const { data } = await tenant.callback('chat.assigned', (each) => each.visitor === visitor);
    const owner = operators.find(({ username }) => username === data.operator?.username);
    if (!owner) throw new Error(`chat c${index} was given to ${data.operator?.username}`);
    chats.set(visitor, owner);
  }
  return chats;
}

/** No effect is pending, every chat has one owner, and closing the chats frees every place. */
export async function afterwards(
  world: World,
  tenant: Tenant,
  operators: readonly ReturningOperator[],
  chats: ReadonlyMap<string, ReturningOperator>,
  /** Dead letters of earlier runs on the same log. */
  pendingBefore = 0,
): Promise<string[]> {
  const faults: string[] = [];
  const comes = async (what: string, condition: () => Promise<boolean>): Promise<void> => {
    await waitFor(condition, { deadlineMs: 30_000, every: 100, what }).catch((error: unknown) => {
      faults.push(String(error));
    });
  };
  const held = async (): Promise<{ operator: string; chatId: string; visitor: string }[]> => {
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

  await comes(
    'no effect to be pending',
    async () => (await world.metric('xmpp_chat_effects_pending')) <= pendingBefore,
  );
  await comes('each chat to have one owner', async () => {
    const now = await held();
    return [...chats].every(([visitor, { username }]) => {
      const owners = now.filter((chat) => chat.visitor === visitor);
      return owners.length === 1 && owners[0]?.operator === username;
    });
  });
  // A shared log has dead letters of earlier runs.
  const letters = await world.service.call('GET', `/debug/dead-letters?tenant=${tenant.id}`);
  if (letters.body.items.length > 0) faults.push(`dead letters: ${JSON.stringify(letters.body)}`);
  for (const visitor of chats.keys()) {
    await tenant.ask('POST', `/visitors/${visitor}/chats/c${visitor}/close`, { by: 'system' });
  }
  await comes('every place to be free', async () => (await held()).length === 0);
  const { body } = await world.service.call('GET', '/readyz');
  if (body.status !== 'ready' || body.unfit.count !== 0) faults.push(JSON.stringify(body));
  for (const { username } of operators) await tenant.operatorIs(username, 'available');
  return faults;
}
