/** Routing on a real store with operators and visitors of few names; its process may die at any of its orders. */
import fc from 'fast-check';
import { operatorRef, streamOf, visitorRef } from '../../../src/actors/ids.ts';
import type { OperatorCommand } from '../../../src/actors/operator/decisions.ts';
import type { Show } from '../../../src/actors/operator/machine.ts';
import { POLICIES } from '../../../src/actors/selection.ts';
import type { VisitorCommand } from '../../../src/actors/visitor/decisions.ts';
import { AppError } from '../../../src/errors.ts';
import { createRouting, type Routing } from '../../../src/reactors/routing/routing.ts';
import { ROUTING_TABLE } from '../../../src/reactors/routing/tables.ts';
import { createActors } from '../../../src/runtime/host/actors.ts';
import type { ActorHost } from '../../../src/runtime/host/host.ts';
import { soleOwner } from '../../../src/runtime/leases/ownership.ts';
import { DELAYS, SECOND } from '../../actors/facts.ts';
import { username, visitorKey } from '../../support/names.ts';
import { ACME, newId, openRig, type Rig, silent } from '../../support/rig.ts';

export const OPERATORS = ['ada', 'bob', 'cid', 'dot'] as const;
export const VISITORS = ['v0', 'v1', 'v2', 'v3', 'v4', 'v5', 'v6'] as const;
const DEPARTMENTS = ['sales', 'support'] as const;
const ORDERS = ['ReserveChat', 'AssignChat', 'TakeChat', 'ReleaseChat'] as const;
const MORE_ORDERS = ['UnassignChat', 'OfferChat', 'RevokeReservation'] as const;

export interface Death {
  readonly at: (typeof ORDERS)[number] | (typeof MORE_ORDERS)[number];
  readonly when: 'before' | 'after';
}
export type Act =
  | { readonly do: 'start' | 'close'; readonly visitor: string; readonly department: string | null }
  | { readonly do: 'answer' | 'take' | 'decline'; readonly visitor: string; readonly by: string }
  | {
      readonly do: 'transfer';
      readonly visitor: string;
      readonly by: string | null;
      readonly to: string;
    }
  | { readonly do: 'be'; readonly operator: string; readonly show: Show }
  | { readonly do: 'ping'; readonly operator: string; readonly answered: boolean }
  | { readonly do: 'leave' | 'remove'; readonly operator: string }
  | {
      readonly do: 'register';
      readonly operator: string;
      readonly capacity: number;
      readonly departments: string[];
    }
  | { readonly do: 'die'; readonly death: Death }
  | { readonly do: 'pass'; readonly seconds: number };

const one = fc.constantFrom(...VISITORS);
const name = fc.constantFrom(...OPERATORS);
const department = fc.constantFrom(null, ...DEPARTMENTS);
const serving = fc.constantFrom<string[]>([], ['sales'], ['support'], ['sales', 'support']);

export const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('start' as const), visitor: one, department }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('close' as const), visitor: one, department }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom('answer' as const, 'take' as const, 'decline' as const),
      visitor: one,
      by: name,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('transfer' as const),
      visitor: one,
      by: fc.option(name),
      to: fc.oneof(name, fc.constantFrom(...DEPARTMENTS)),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('be' as const),
      operator: name,
      show: fc.constantFrom<Show>('available', 'available', 'chat', 'away', 'dnd', null),
    }),
  },
  fc.record({ do: fc.constant('ping' as const), operator: name, answered: fc.boolean() }),
  { weight: 2, arbitrary: fc.record({ do: fc.constant('leave' as const), operator: name }) },
  fc.record({ do: fc.constant('remove' as const), operator: name }),
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('register' as const),
      operator: name,
      capacity: fc.integer({ min: 1, max: 3 }),
      departments: serving,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('die' as const),
      death: fc.record({
        at: fc.constantFrom(...ORDERS, ...MORE_ORDERS),
        when: fc.constantFrom('before' as const, 'after' as const),
      }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('pass' as const),
      seconds: fc.constantFrom(1, 11, 31, 61),
    }),
  },
);

const policy = fc.constantFrom(...POLICIES);
export const routingSettings = fc.record({
  policy,
  departments: fc.record({
    sales: fc.record({ policy, capacity: fc.integer({ min: 1, max: 2 }) }),
    support: fc.record({ policy }),
  }),
});
export type RoutingSettings = typeof routingSettings extends fc.Arbitrary<infer S> ? S : never;

export const TIMES = { offerTimeout: 60, ownerGrace: 30 };

/** A host of a process that dies at an order, once it is armed: before it is carried out, or right after. */
function mortal(host: ActorHost) {
  let armed: Death | null = null;
  let dead = false;
  const gone = () => new AppError('unavailable', 'this process is dead');
  const wrapped: ActorHost = {
    ...host,
    load: async (actor) => {
      if (dead) throw gone();
      return host.load(actor);
    },
    dispatch: async (actor, command, origin) => {
      if (dead) throw gone();
      if (command.type !== armed?.at) return host.dispatch(actor, command, origin);
      if (armed.when === 'after') await host.dispatch(actor, command, origin);
      dead = true;
      throw gone();
    },
  };
  return { host: wrapped, arm: (death: Death) => (armed = death), isDead: () => dead };
}

export type Scene = Awaited<ReturnType<typeof openScene>>;

export async function openScene(settings: RoutingSettings) {
  let rig = await openRig({ settings: { ...TIMES, routing: settings } });
  let life = await begin();
  let chats = 0;

  async function begin() {
    const { workFile: db, tenants, now } = rig;
    const process = mortal(rig.host);
    const routing: Routing = createRouting({
      db,
      actors: createActors(process.host, newId),
      tenants,
      now,
      newId,
      ownership: soleOwner,
      logger: silent,
      random: Math.random,
      sweepEveryMs: 20,
    });
    const caughtUp = await rig.follow([ROUTING_TABLE], [rig.host, routing]);
    routing.start();
    return { ...process, routing, caughtUp };
  }

  /** The next process on the same log. */
  async function restart(more: { withoutWork?: boolean } = {}): Promise<void> {
    await life.routing.stop();
    rig = await rig.restart(more);
    life = await begin();
  }

  const ofVisitor = (key: string, command: VisitorCommand) => rig.toVisitor(key, command);
  const ofOperator = (who: string, command: OperatorCommand) => rig.toOperator(who, command);

  function perform(wish: Act): Promise<unknown> | undefined {
    switch (wish.do) {
      case 'start':
        return ofVisitor(wish.visitor, {
          type: 'StartChat',
          chatId: `c${++chats}`,
          department: wish.department,
          delays: { ...DELAYS, offerTimeout: TIMES.offerTimeout * SECOND },
        });
      case 'close':
        return ofVisitor(wish.visitor, {
          type: 'CloseChat',
          chatId: null,
          by: 'visitor',
          reason: null,
        });
      case 'answer':
        return ofVisitor(wish.visitor, {
          type: 'ReceiveOperatorMessage',
          operator: username(wish.by),
          messageId: newId(),
          body: 'Hi',
        });
      case 'take':
        return ofVisitor(wish.visitor, { type: 'AcceptChat', operator: username(wish.by) });
      case 'decline':
        return ofVisitor(wish.visitor, { type: 'DeclineChat', operator: username(wish.by) });
      case 'transfer':
        return life.routing.transfer(
          ACME,
          visitorKey(wish.visitor),
          {
            chatId: null,
            from: wish.by === null ? null : username(wish.by),
            to: { name: wish.to },
          },
          { commandId: newId() },
        );
      case 'be': {
        const session = { session: `s-${wish.operator}`, resource: 'gajim' };
        const { show } = wish;
        return ofOperator(wish.operator, {
          type: 'ChangePresence',
          ...session,
          show,
          status: '',
        });
      }
      case 'ping':
        return ofOperator(wish.operator, {
          type: 'ReportPing',
          resource: 'gajim',
          answered: wish.answered,
        });
      case 'leave':
        return ofOperator(wish.operator, { type: 'CloseSession', session: `s-${wish.operator}` });
      case 'remove':
        return ofOperator(wish.operator, { type: 'Remove' });
      case 'register':
        return ofOperator(wish.operator, {
          type: 'Register',
          lhcUserId: 7,
          departments: wish.departments,
          capacity: wish.capacity,
          name: null,
          nameChanged: false,
        });
      case 'die':
        life.arm(wish.death);
        return undefined;
      case 'pass':
        rig.clock.passes(wish.seconds * SECOND);
        return fireTimers();
    }
  }

  /** As the index of deadlines does it. */
  async function fireTimers(): Promise<void> {
    for (const key of VISITORS) await rig.host.wake(streamOf(visitorRef(ACME, visitorKey(key))));
    for (const who of OPERATORS) await rig.host.wake(streamOf(operatorRef(ACME, username(who))));
  }

  return {
    rig: (): Rig => rig,
    routing: () => life.routing,
    caughtUp: () => life.caughtUp(),
    restart,
    /** These at the same time; what is refused is nothing to worry about. */
    async together(wishes: readonly Act[]): Promise<void> {
      await Promise.all(
        wishes.map(async (wish) => {
          try {
            await perform(wish);
          } catch (error) {
            const fine = ['refused', 'not-found', 'unavailable'];
            if (!(error instanceof AppError && fine.includes(error.code))) throw error;
          }
        }),
      );
      if (life.isDead()) await restart();
    },
    isDead: () => life.isDead(),
    async chatOf(key: string) {
      const state = await rig.visitor(key).state();
      if (!state) return null;
      const { chat, lastOperator } = state.context;
      return chat && { ...chat, lastOperator };
    },
    async operatorOf(who: string) {
      const state = await rig.operator(who).state();
      return state;
    },
    async close(): Promise<void> {
      await life.routing.stop();
      await rig.close();
    },
  };
}
