/** Helpers for tests of routing on the real ejabberd: start chats, look them up, and read the facts of their picks. */
import type { VisitorFacts } from '../../src/actors/visitor/facts.ts';
import type { Operator } from '../support/operator.ts';
import { WAIT_DEADLINE_MS, waitFor } from '../support/wait.ts';
import type { Tenant, World } from '../support/world.ts';
import { factsOf } from './campaign/routing-faults.ts';

export type ChatAssigned = VisitorFacts['ChatAssigned'];

export function sceneOf(world: World, tenant: Tenant) {
  const scene = {
    /** Registers operators of a department, logs them in and waits until they are available. */
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
    /** Starts a chat whose id is made from the visitor's key. */
    start: (visitor: string, department: string, body?: string) =>
      tenant.ask('POST', `/visitors/${visitor}/chats`, {
        chatId: `c-${visitor}`,
        department,
        ...(body !== undefined && { message: { id: `m-${visitor}`, body } }),
      }),
    close: (visitor: string) =>
      tenant.ask('POST', `/visitors/${visitor}/chats/c-${visitor}/close`, { by: 'visitor' }),
    facts: (visitor: string) => factsOf(world, `visitor-${tenant.id}.${visitor}`),
    /** All assignments of the visitor's chats, in order. */
    async picks(visitor: string): Promise<ChatAssigned[]> {
      const facts = await scene.facts(visitor);
      // The domain wrote these facts, so they have the type.
      return facts.flatMap(({ type, data }) =>
        type === 'ChatAssigned' ? [data as unknown as ChatAssigned] : [],
      );
    },
    /** Waits for the n-th assignment. */
    async pick(visitor: string, n = 1, deadlineMs = WAIT_DEADLINE_MS): Promise<ChatAssigned> {
      let found: ChatAssigned[] = [];
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
      if (!last) throw new Error('the wait above ends with an assignment');
      return last;
    },
    /** The messages that an operator got from a visitor. */
    textsFrom: (session: Operator, visitor: string): string[] =>
      session.messages
        .filter(({ from }) => from.split('/', 1)[0] === tenant.visitorJid(visitor))
        .map(({ body }) => body),
    /** The visitor's words, or lines of the service beside them. */
    waitForText: (session: Operator, visitor: string, text: string | RegExp) => {
      const isIn = (written: string): boolean =>
        typeof text === 'string' ? written.includes(text) : text.test(written);
      return session.waitFor(
        () =>
          session.messages.find(
            ({ from, body, lines }) =>
              from.split('/', 1)[0] === tenant.visitorJid(visitor) && (isIn(body) || isIn(lines)),
          )?.body,
        `${text} of ${visitor}`,
      );
    },
    async answer(session: Operator, visitor: string, body = 'How can I help?'): Promise<void> {
      await session.sendAndAck(tenant.visitorJid(visitor), body);
      await tenant.callback('chat.accepted', (each) => each.visitor === visitor);
    },
    /** Waits until the operator has exactly these chats. */
    async waitForChats(username: string, visitors: readonly string[]): Promise<void> {
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
          every: 50,
          what: () => `${username} to have ${visitors}; they have ${chats}`,
        },
      );
    },
  };
  return scene;
}
