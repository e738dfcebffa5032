/** Routing on a real store with a few operators and visitors. Its process can crash at any of its commands. */
import fc from 'fast-check';
import { operatorRef, streamOf, visitorRef } from '../../../src/actors/ids.ts';
import type { OperatorCommand } from '../../../src/actors/operator/decisions.ts';
import type { Show } from '../../../src/actors/operator/machine.ts';
import { POLICIES } from '../../../src/actors/operator-selection.ts';
import type { VisitorCommand } from '../../../src/actors/visitor/decisions.ts';
import { AppError } from '../../../src/errors.ts';
import { createRouting, type Routing } from '../../../src/reactors/routing/routing.ts';
import { ROUTING_TABLE } from '../../../src/reactors/routing/table-queries.ts';
import { createActors } from '../../../src/runtime/host/actors.ts';
import type { ActorHost } from '../../../src/runtime/host/host.ts';
import { soleOwner } from '../../../src/runtime/leases/ownership.ts';
import { DELAYS, SECOND } from '../../actors/facts.ts';
import { username, visitorKey } from '../../support/names.ts';
import { ACME, newId, openRig, type Rig, silent } from '../../support/rig.ts';

export const OPERATORS = ['ada', 'bob', 'cid', 'dot'] as const;
export const VISITORS = ['v0', 'v1', 'v2', 'v3', 'v4', 'v5', 'v6'] as const;
const DEPARTMENTS = ['sales', 'support'] as const;
const COMMANDS = ['ReserveChat', 'AssignChat', 'ConfirmChat', 'ReleaseChat'] as const;
const MORE_COMMANDS = ['UnassignChat', 'OfferChat', 'RevokeReservation'] as const;

export interface Crash {
  readonly at: (typeof COMMANDS)[number] | (typeof MORE_COMMANDS)[number];
  readonly when: 'before' | 'after';
}
export type Act =
  | {
      readonly do: 'start' | 'close';
      readonly visitor: string;
      readonly department: string | null;
      readonly language?: string | null;
    }
  | { readonly do: 'answer' | 'take' | 'decline'; readonly visitor: string; readonly by: string }
  | {
      readonly do: 'transfer';
      readonly visitor: string;
      readonly by: string | null;
      readonly to: string;
    }
  /** LHC says who has the chat in its own pages, or writes there. */
  | { readonly do: 'inLhc'; readonly visitor: string; readonly accepted: boolean }
  | { readonly do: 'be'; readonly operator: string; readonly show: Show }
  | { readonly do: 'ping'; readonly operator: string; readonly answered: boolean }
  | { readonly do: 'leave' | 'remove'; readonly operator: string }
  | {
      readonly do: 'register';
      readonly operator: string;
      readonly capacity: number;
      readonly departments: string[];
      readonly tier?: number;
      readonly languages?: string[];
    }
  | { readonly do: 'crash'; readonly crash: Crash }
  | { readonly do: 'pass'; readonly seconds: number };

const one = fc.constantFrom(...VISITORS);
const name = fc.constantFrom(...OPERATORS);
const department = fc.constantFrom(null, ...DEPARTMENTS);
const serving = fc.constantFrom<string[]>([], ['sales'], ['support'], ['sales', 'support']);

export const anyAct: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('start' as const),
      visitor: one,
      department,
      language: fc.constantFrom(null, 'de', 'fr'),
    }),
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
  fc.record({ do: fc.constant('inLhc' as const), visitor: one, accepted: fc.boolean() }),
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
      tier: fc.constantFrom(1, 1, 2),
      languages: fc.constantFrom<string[]>([], ['de']),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('crash' as const),
      crash: fc.record({
        at: fc.constantFrom(...COMMANDS, ...MORE_COMMANDS),
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

/** The rig's clock begins on that Thursday at midnight. */
export const OPENS_AT = Date.UTC(2026, 0, 1, 0, 2);
const OPENS = { timezone: 'UTC', week: { thu: ['00:02-24:00'] }, message: 'Soon.' };

const policy = fc.constantFrom(...POLICIES);
export const routingSettings = fc.record({
  policy,
  departments: fc.record({
    sales: fc.record(
      {
        policy,
        capacity: fc.integer({ min: 1, max: 2 }),
        maxChats: fc.integer({ min: 1, max: 3 }),
        language: fc.constant({ match: 'require', wait: 45 }),
        overflow: fc.constant({ to: 'support', after: 40 }),
      },
      { requiredKeys: ['policy', 'capacity'] },
    ),
    support: fc.record({ policy, hours: fc.constant(OPENS) }, { requiredKeys: ['policy'] }),
  }),
  tierWait: fc.constantFrom(0, 0, 35),
});
export type RoutingSettings = typeof routingSettings extends fc.Arbitrary<infer S> ? S : never;

export const TIMES = { offerTimeout: 60, ownerGrace: 30 };

/** The host of a process that crashes at a command once it is armed: before the command is carried out, or right after. */
function crashable(host: ActorHost) {
  let armed: Crash | null = null;
  let crashed = false;
  const crashError = () => new AppError('unavailable', 'this process has crashed');
  const wrapped: ActorHost = {
    ...host,
    load: async (actor) => {
      if (crashed) throw crashError();
      return host.load(actor);
    },
    dispatch: async (actor, command, origin) => {
      if (crashed) throw crashError();
      if (command.type !== armed?.at) return host.dispatch(actor, command, origin);
      if (armed.when === 'after') await host.dispatch(actor, command, origin);
      crashed = true;
      throw crashError();
    },
  };
  return { host: wrapped, arm: (crash: Crash) => (armed = crash), hasCrashed: () => crashed };
}

export type Scene = Awaited<ReturnType<typeof openScene>>;

export async function openScene(settings: RoutingSettings) {
  let rig = await openRig({ settings: { ...TIMES, routing: settings } });
  let life = await begin();
  let chats = 0;

  async function begin() {
    const { workFile: db, tenants, names, now } = rig;
    const process = crashable(rig.host);
    const routing: Routing = createRouting({
      isOnline: async () => true,
      db,
      actors: createActors(process.host, newId),
      tenants,
      names,
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

  /** Starts the next process on the same log. */
  async function restart(more: { withoutWork?: boolean } = {}): Promise<void> {
    await life.routing.stop();
    rig = await rig.restart(more);
    life = await begin();
  }

  const ofVisitor = (key: string, command: VisitorCommand) => rig.toVisitor(key, command);
  const ofOperator = (who: string, command: OperatorCommand) => rig.toOperator(who, command);

  function perform(act: Act): Promise<unknown> | undefined {
    switch (act.do) {
      case 'start':
        return ofVisitor(act.visitor, {
          type: 'StartChat',
          chatId: `c${++chats}`,
          department: act.department,
          ...(act.language && { language: act.language }),
          delays: { ...DELAYS, offerTimeout: TIMES.offerTimeout * SECOND },
        });
      case 'close':
        return ofVisitor(act.visitor, {
          type: 'CloseChat',
          chatId: null,
          by: 'visitor',
          reason: null,
        });
      case 'answer':
        return ofVisitor(act.visitor, {
          type: 'ReceiveOperatorMessage',
          operator: username(act.by),
          messageId: newId(),
          body: 'Hi',
        });
      case 'take':
        return ofVisitor(act.visitor, { type: 'AcceptChat', operator: username(act.by) });
      case 'decline':
        return ofVisitor(act.visitor, { type: 'DeclineChat', operator: username(act.by) });
      case 'transfer':
        return life.routing.transfer(
          ACME,
          visitorKey(act.visitor),
          {
            chatId: null,
            from: act.by === null ? null : username(act.by),
            to: { name: act.to },
          },
          { commandId: newId() },
        );
      case 'inLhc': {
        const person = { lhcUserId: 7, operator: null, isOnline: false };
        const { accepted } = act;
        return rig
          .visitor(act.visitor)
          .state()
          .then((state) => {
            const chatId = state?.context.chat?.id ?? 'none';
            return ofVisitor(act.visitor, { type: 'SetOwner', chatId, accepted, ...person });
          });
      }
      case 'be': {
        const session = { session: `s-${act.operator}`, resource: 'gajim' };
        const { show } = act;
        return ofOperator(act.operator, {
          type: 'ChangePresence',
          ...session,
          show,
          status: '',
        });
      }
      case 'ping':
        return ofOperator(act.operator, {
          type: 'ReportPing',
          resource: 'gajim',
          answered: act.answered,
        });
      case 'leave':
        return ofOperator(act.operator, { type: 'CloseSession', session: `s-${act.operator}` });
      case 'remove':
        return ofOperator(act.operator, { type: 'Remove' });
      case 'register':
        return ofOperator(act.operator, {
          type: 'Register',
          lhcUserId: 7,
          departments: act.departments,
          capacity: act.capacity,
          ...(act.tier !== undefined && { tier: act.tier }),
          ...(act.languages !== undefined && { languages: act.languages }),
          name: null,
          nameChanged: false,
        });
      case 'crash':
        life.arm(act.crash);
        return undefined;
      case 'pass':
        rig.clock.passes(act.seconds * SECOND);
        return fireTimers();
    }
  }

  /** Wakes actors at their deadlines. */
  async function fireTimers(): Promise<void> {
    for (const key of VISITORS) await rig.host.wake(streamOf(visitorRef(ACME, visitorKey(key))));
    for (const who of OPERATORS) await rig.host.wake(streamOf(operatorRef(ACME, username(who))));
  }

  return {
    rig: (): Rig => rig,
    routing: () => life.routing,
    caughtUp: () => life.caughtUp(),
    restart,
    /** Performs these acts at the same time. Refusals are expected. */
    async together(acts: readonly Act[]): Promise<void> {
      await Promise.all(
        acts.map(async (act) => {
          try {
            await perform(act);
          } catch (error) {
            const fine = ['refused', 'not-found', 'unavailable'];
            if (!(error instanceof AppError && fine.includes(error.code))) throw error;
          }
        }),
      );
      if (life.hasCrashed()) await restart();
    },
    hasCrashed: () => life.hasCrashed(),
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
