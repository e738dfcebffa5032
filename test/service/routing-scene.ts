/** Helpers for routing on the real ejabberd: start chats, look them up, read the facts of their assignments. */
import type { VisitorFacts } from '../../src/actors/visitor/facts.ts';
import type { Operator } from '../support/operator.ts';
import { waitFor } from '../support/wait.ts';
import type { Tenant, World } from '../support/world.ts';
import { factsOf } from './campaign/routed-faults.ts';

export type Assigned = VisitorFacts['ChatAssigned'];

export function sceneOf(world: World, tenant: Tenant) {
  const scene = {
    /** Registers operators of a department, and logs them in as available. */
    async staff(
      department: string,
      names: readonly string[],
      options: { capacity?: number } = {},
    ): Promise<Operator[]> {
      return Promise.all(
        names.map(async (name) => {
          await tenant.register(name, { departments: [department], ...options });
          const session = await tenant.connect(name);
          await tenant.operatorIs(name, 'available');
          return session;
        }),
      );
    },
    /** The visitor's chat has the same name as the visitor. */
    start: (visitor: string, department: string, body?: string) =>
      tenant.ask('POST', `/visitors/${visitor}/chats`, {
        chatId: `c-${visitor}`,
        department,
        ...(body !== undefined && { message: { id: `m-${visitor}`, body } }),
      }),
    close: (visitor: string) =>
      tenant.ask('POST', `/visitors/${visitor}/chats/c-${visitor}/close`, { by: 'visitor' }),
    facts: (visitor: string) => factsOf(world, `visitor-${tenant.id}.${visitor}`),
    /** Every assignment of the visitor's chats, in order. */
    async picks(visitor: string): Promise<Assigned[]> {
      const facts = await scene.facts(visitor);
      // Facts from the log, as the domain wrote them.
      return facts.flatMap(({ type, data }) =>
        type === 'ChatAssigned' ? [data as unknown as Assigned] : [],
      );
    },
    /** Waits for the n-th assignment. */
    async pick(visitor: string, n = 1, deadlineMs = 10_000): Promise<Assigned> {
      let found: Assigned[] = [];
      await waitFor(
        async () => {
          found = await scene.picks(visitor);
          return found.length >= n;
        },
        {
          deadlineMs,
          every: 50,
          what: () => `assignment ${n} of ${visitor}; there are ${JSON.stringify(found)}`,
        },
      );
      const last = found[n - 1];
      if (!last) throw new Error('it was waited for');
      return last;
    },
    /** The messages of a visitor that an operator has received. */
    read: (session: Operator, visitor: string): string[] =>
      session.messages
        .filter(({ from }) => from.split('/', 1)[0] === tenant.visitorJid(visitor))
        .map(({ body }) => body),
    hears: (session: Operator, visitor: string, text: string | RegExp) =>
      session.waitFor(
        () =>
          scene
            .read(session, visitor)
            .find((body) => (typeof text === 'string' ? body.includes(text) : text.test(body))),
        10_000,
        `${text} of ${visitor}`,
      ),
    async answer(session: Operator, visitor: string, body = 'How can I help?'): Promise<void> {
      await session.sendAndAck(tenant.visitorJid(visitor), body);
      await tenant.callback('chat.accepted', (each) => each.visitor === visitor);
    },
    /** Waits until the operator has exactly these chats. */
    async has(username: string, visitors: readonly string[]): Promise<void> {
      let chats: string[] = [];
      await waitFor(
        async () => {
          const operator = await tenant.ask('GET', `/operators/${username}`);
          chats = operator.chats.map(({ chatId }: { chatId: string }) => chatId).toSorted();
          return (
            chats.join() ===
            visitors
              .map((each) => `c-${each}`)
              .toSorted()
              .join()
          );
        },
        {
          deadlineMs: 10_000,
          every: 50,
          what: () => `${username} to have ${visitors}; it has ${chats}`,
        },
      );
    },
  };
  return scene;
}
