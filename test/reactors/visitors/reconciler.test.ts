import { type Logger, pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { createTenantDirectory } from '../../../src/actors/tenant/directory.ts';
import { HISTORY_MOST_MS } from '../../../src/actors/visitor/history.ts';
import { AppError } from '../../../src/errors.ts';
import { LINE_RATE } from '../../../src/kit/line-budget.ts';
import { REMAKE_INTERVAL_MS } from '../../../src/reactors/visitors/accounts.ts';
import { keptAccountsText } from '../../../src/reactors/visitors/accounts-log.ts';
import { FAILURE_TOLD_EVERY_MS } from '../../../src/reactors/visitors/attempts.ts';
import {
  createDesiredVisitors,
  DESIRED_VISITORS_TABLE,
} from '../../../src/reactors/visitors/desired.ts';
import {
  createReconciler,
  SESSION_KEPT_MS,
  SESSION_RELEASE_MS,
  VISITOR_RETRY,
} from '../../../src/reactors/visitors/reconciler.ts';
import { BOUND_MS } from '../../../src/reactors/visitors/visible.ts';
import type { AttemptEntry } from '../../../src/runtime/journal/entries.ts';
import { type Ownership, partitionOf, soleOwner } from '../../../src/runtime/leases/ownership.ts';
import type { OperatorAccounts } from '../../../src/runtime/operator-ports.ts';
import { MOST_CONTACTS } from '../../../src/xmpp/port.ts';
import { closeChat, DELAYS, receive, startChat, viewPage } from '../../actors/facts.ts';
import { fakeEjabberd } from '../../support/fake-ejabberd.ts';
import { username, visitorKey } from '../../support/names.ts';
import { ALL_PARTITIONS, movableOwnership } from '../../support/ownership.ts';
import { ACME, HOST, jidOf, openRig, type Rig, silent } from '../../support/rig.ts';
import { tenantWith } from '../../support/tenant.ts';
import { waitFor } from '../../support/wait.ts';

const stopping: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stopping.splice(0)) await stop();
});

const LOG = 'the log of these tests';
const OTHER_LOG = 'another log';

type World = Awaited<ReturnType<typeof worldOf>>;
async function worldOf(
  options: {
    settings?: Record<string, unknown>;
    ejabberd?: ReturnType<typeof fakeEjabberd>;
    rig?: Rig;
    ownership?: Ownership;
    /** The log that the accounts belong to. Default {@link LOG}. */
    mark?: string | null;
    takeOverFrom?: readonly string[];
    adoptOperator?: OperatorAccounts['adopt'];
    logger?: Logger;
  } = {},
) {
  const rig =
    options.rig ?? (await openRig(options.settings ? { settings: options.settings } : {}));
  const { ownership = soleOwner, ejabberd = fakeEjabberd(), mark = LOG } = options;
  if (mark !== null) ejabberd.marks.set('visitors', mark);
  const { workFile, actors, tenants, personal, names, now } = rig;
  let follow = async (): Promise<void> => {};
  const desired = createDesiredVisitors(workFile);
  const attempts: AttemptEntry[] = [];
  const reconciler = createReconciler({
    desired,
    actors,
    tenants,
    personal,
    names,
    now,
    wallClock: now,
    journal: { record: (entry) => void (entry.kind === 'attempt' && attempts.push(entry)) },
    ownership,
    logger: options.logger ?? silent,
    admin: ejabberd.admin,
    transport: ejabberd.transport,
    contactTable: ejabberd.contactTable,
    moved: async () => {},
    operatorsOf: () => [username('op1')],
    logId: LOG,
    adoptOperator: options.adoptOperator ?? (async () => {}),
    takeOverFrom: options.takeOverFrom ?? [],
    caughtUp: () => follow(),
    passwordOf: (jid) => `password of ${jid}`,
    random: () => 1,
  });
  follow = await rig.follow([DESIRED_VISITORS_TABLE], [reconciler]);
  stopping.push(async () => {
    await reconciler.stop();
    await rig.close();
  });
  const visible = () => [...ejabberd.members('visitors')].sort();
  return { rig, ejabberd, reconciler, desired, attempts, visible, caughtUp: () => follow() };
}
/** Waits until the reconciler has read every fact and has nothing left to do. */
const untilIdle = ({ reconciler, caughtUp }: World) =>
  waitFor(async () => {
    await caughtUp();
    return reconciler.pending() === 0;
  });
/** Longer than one tick of the schedule. */
const nextTick = () => new Promise((resolve) => setTimeout(resolve, 150));
const count = ({ ejabberd }: World, name: string) => ejabberd.count(name);
const remove = { type: 'CleanUp' } as const;

describe('a visitor', () => {
  it('gets account, name, group and presence in this order, leaves, comes back, and is removed', async () => {
    const world = await worldOf();
    const { rig, ejabberd, visible } = world;
    await world.reconciler.start();
    ejabberd.calls.length = 0;
    await rig.toVisitor('1', viewPage());
    await untilIdle(world);
    const jid = jidOf('1');
    expect(ejabberd.calls).toEqual([
      ...['register', 'setVisitorCard', 'joinGroup', 'online'].map((name) => `${name} ${jid}`),
    ]);
    expect(ejabberd.accounts.get(jid)).toBe(`password of ${jid}`);
    expect(ejabberd.present.get(jid)).toEqual({ status: '/home', nick: 'Visitor 1' });
    await rig.toVisitor('1', { type: 'TimeOut' });
    await untilIdle(world);
    expect([visible(), [...ejabberd.present.keys()]]).toEqual([[], []]);
    expect(ejabberd.accounts.has(jid)).toBe(true);
    await rig.toVisitor('1', viewPage());
    await untilIdle(world);
    expect(visible()).toEqual([jid]);
    expect(count(world, 'register')).toBe(1); // the same account
    await rig.toVisitor('1', remove);
    await untilIdle(world);
    expect([ejabberd.accounts.size, visible(), ejabberd.present.size]).toEqual([0, [], 0]);
    await world.caughtUp();
    const outcomes = ['AccountReady', 'LoggedIn', 'LoggedOut'];
    const types = await rig.types('visitor-acme.1');
    expect(types.filter((type) => outcomes.includes(type))).toEqual([
      'AccountReady',
      'LoggedIn',
      'LoggedOut',
      'LoggedIn',
    ]);
  });

  it('has each attempt in the journal for the facts that it serves, with its steps and why it failed', async () => {
    const world = await worldOf();
    const { rig, ejabberd, attempts } = world;
    const told = () =>
      attempts.splice(0).map(({ stream, revision, destination, outcome, reason, detail }) => {
        expect([stream, destination]).toEqual(['visitor-acme.1', 'presence']);
        const steps = detail?.replace(/ [\d.]+ ms/g, '') ?? null;
        return `${revision} ${outcome}: ${steps}${reason === null ? '' : ` (${reason})`}`;
      });
    await world.reconciler.start();
    ejabberd.state.down = true;
    await rig.toVisitor('1', viewPage());
    await waitFor(() => attempts.length > 0);
    expect(told()).toEqual(['0 retry: register failed after (ejabberd is away)']);
    // These wait for the same attempt. More page views change nothing that operators could see later.
    await rig.toVisitor('1', startChat('c1'));
    await rig.toVisitor('1', viewPage('pricing'));
    await world.caughtUp();
    ejabberd.state.down = false;
    rig.clock.passes(VISITOR_RETRY.mostMs);
    await untilIdle(world);
    const types = await rig.types('visitor-acme.1');
    const chat = types.indexOf('ChatStarted');
    expect(told()).toEqual(
      [0, chat].map(
        (revision) =>
          `${revision} done: look for the account, register, name, join the group, log in`,
      ),
    );
    // The facts about it are caused by the first of them.
    const [arrived, ...rest] = await rig.store.readStream('visitor-acme.1', {});
    const ready = rest.filter(({ type }) => type === 'AccountReady' || type === 'LoggedIn');
    expect(ready.map(({ metadata }) => metadata.causationId)).toEqual([arrived?.id, arrived?.id]);

    // What changes nothing in ejabberd is no attempt.
    await world.reconciler.compare();
    await untilIdle(world);
    expect(told()).toEqual([]);

    await rig.toVisitor('1', closeChat('c1'));
    await rig.toVisitor('1', { type: 'TimeOut' });
    await untilIdle(world);
    const after = await rig.store.readStream('visitor-acme.1', {});
    const left = after.find(({ type }) => type === 'TimedOut');
    expect(told().at(-1)).toBe(`${left?.revision} done: log out, leave the group`);
    const out = after.find(({ type }) => type === 'LoggedOut');
    expect(after.some(({ id }) => id === out?.metadata.causationId)).toBe(true);
  });

  it('does not fill the journal with a failure that goes on', async () => {
    const world = await worldOf();
    const { rig, ejabberd, attempts } = world;
    await world.reconciler.start();
    ejabberd.state.down = true;
    await rig.toVisitor('1', viewPage());
    const tried = () => count(world, 'register') + count(world, 'accountExists');
    for (let tries = 1; tries <= 9; tries++) {
      await waitFor(() => tried() === tries);
      await new Promise(setImmediate); // the failure is written down and the next try is planned
      rig.clock.passes(VISITOR_RETRY.mostMs);
    }
    expect(attempts.length).toBe(4); // the first, second, fourth and eighth
    rig.clock.passes(FAILURE_TOLD_EVERY_MS);
    await waitFor(() => attempts.length === 5);
    // Another reason is news.
    ejabberd.state.before = async () => {
      throw new AppError('refused', 'policy');
    };
    rig.clock.passes(VISITOR_RETRY.mostMs);
    await waitFor(() => attempts.length === 6);
    expect(attempts.at(-1)?.reason).toBe('policy');
  });

  it('who begins a new history with a page view keeps account, place in the group and session', async () => {
    const world = await worldOf();
    const { rig, ejabberd, visible } = world;
    // They never time out.
    const delays = { ...DELAYS, hardTimeout: 2 * HISTORY_MOST_MS };
    await world.reconciler.start();
    await rig.toVisitor('1', viewPage('home', delays));
    await untilIdle(world);
    ejabberd.calls.length = 0;
    rig.clock.passes(HISTORY_MOST_MS);
    await rig.toVisitor('1', viewPage('next', delays));
    await waitFor(() => ejabberd.present.get(jidOf('1'))?.status === '/next');
    await untilIdle(world);
    expect((await rig.types('visitor-acme.1')).slice(-2)).toEqual(['CleanedUp', 'VisitorArrived']);
    const gone = /^(unregister|leaveGroup|offline|release)/;
    expect(ejabberd.calls.filter((call) => gone.test(call))).toEqual([]);
    expect([visible(), [...ejabberd.accounts.keys()]]).toEqual([[jidOf('1')], [jidOf('1')]]);
    expect((await rig.visitor('1').state())?.context).toMatchObject({
      account: true,
      loggedIn: true,
    });
  });

  it('who cannot be shown is in the log, and a crowd of them does not fill it', async () => {
    const logged: string[] = [];
    const logger = pino({ base: null }, { write: (line) => void logged.push(line) });
    const world = await worldOf({ logger });
    await world.reconciler.start();
    world.ejabberd.state.before = async (call) => {
      if (call.startsWith('register')) throw new AppError('unavailable', 'ejabberd is away');
    };
    const crowd = LINE_RATE.burst * 3;
    for (let n = 0; n < crowd; n++) await world.rig.toVisitor(`${n}`, viewPage());
    const tried = () => new Set(world.ejabberd.calls.filter((call) => /^register/.test(call))).size;
    await waitFor(() => tried() === crowd);
    await nextTick();
    const lines = logged.filter((line) => line.includes('could not be shown'));
    expect(lines.length).toBeGreaterThanOrEqual(LINE_RATE.burst);
    expect(lines.length).toBeLessThan(LINE_RATE.burst * 2);
  });

  it.each([
    ['is a line of the log', {}, 1],
    ['that waits for the first connection is none', { isOnItsWay: true }, 0],
  ])('a comparison that fails %s', async (_, details, lines) => {
    const logged: string[] = [];
    const logger = pino({ base: null }, { write: (line) => void logged.push(line) });
    const world = await worldOf({ logger });
    let fails = 1;
    world.ejabberd.state.before = async (call) => {
      if (call.startsWith('accounts') && fails-- > 0) {
        throw new AppError('unavailable', 'not connected', details);
      }
    };
    await world.reconciler.start();
    expect(fails).toBeLessThan(1);
    expect(logged.filter((line) => line.includes('the comparison of ejabberd'))).toHaveLength(
      lines,
    );
  });

  it('who gives a name joins the group again, even after a failure, so that contact lists show the name', async () => {
    const world = await worldOf();
    const { rig, ejabberd } = world;
    await world.reconciler.start();
    await rig.toVisitor('1', viewPage());
    await untilIdle(world);
    let fails = true;
    ejabberd.state.before = async (call) => {
      if (!call.startsWith('joinGroup') || !fails) return;
      fails = false;
      throw new AppError('unavailable', 'away');
    };
    await rig.toVisitor('1', {
      type: 'StartChat',
      chatId: 'c1',
      department: null,
      nick: 'Ann',
      delays: DELAYS,
    });
    await waitFor(() => !fails);
    await nextTick();
    rig.clock.passes(2_000);
    await untilIdle(world);
    const jid = jidOf('1');
    expect(ejabberd.calls.filter((call) => /joinGroup|Card/.test(call)).slice(2)).toEqual(
      ['setVisitorCard', 'joinGroup', 'joinGroup'].map((call) => `${call} ${jid}`),
    );
    expect(ejabberd.present.get(jid)?.nick).toBe('Ann');
    rig.clock.passes(2_000);
    await rig.toVisitor('1', viewPage('prices'));
    await untilIdle(world);
    expect(count(world, 'joinGroup')).toBe(3);
  });

  it('shows first whether they wait or are in a chat, and with whom; then for which department', async () => {
    const world = await worldOf();
    const { rig, ejabberd } = world;
    await world.reconciler.start();
    const shows = async () => {
      await untilIdle(world);
      const { show, status } = ejabberd.present.get(jidOf('1')) ?? {};
      return [show, ...(status?.split('\n', 2) ?? [])];
    };
    await rig.toVisitor('1', viewPage());
    expect(await shows()).toEqual([undefined, '/home']);
    await rig.toVisitor('1', startChat());
    expect(await shows()).toEqual(['chat', 'Waiting · /home', 'Chat #c1 (sales)']);
    const accept = { type: 'AcceptChat', operator: username('op1') } as const;
    await rig.toVisitor('1', accept);
    expect(await shows()).toEqual([undefined, 'In chat · op1 · /home', 'Chat #c1 (sales)']);
    const department = { operator: null, department: 'legal', reservation: null };
    await rig.toVisitor('1', {
      type: 'TransferChat',
      chatId: null,
      from: username('op1'),
      ...department,
    });
    expect(await shows()).toEqual(['chat', 'Waiting · /home', 'Chat #c1 (legal)']);
    await rig.toVisitor('1', accept);
    expect(await shows()).toEqual([undefined, 'In chat · op1 · /home', 'Chat #c1 (legal)']);
    await rig.toVisitor('1', {
      type: 'UnassignChat',
      chatId: 'c1',
      operator: username('op1'),
      reason: 'owner-gone',
    });
    expect(await shows()).toEqual(['chat', 'Waiting · /home', 'Chat #c1 (legal)']);
    await rig.toVisitor('1', closeChat());
    expect(await shows()).toEqual([undefined, '/home']);
  });

  it('shows at once that somebody has invited them, and no longer when that is over', async () => {
    const world = await worldOf({ settings: { presence: { show: false } } });
    const { rig, ejabberd } = world;
    await world.reconciler.start();
    const shown = async () => {
      await untilIdle(world);
      return ejabberd.present.get(jidOf('1'));
    };
    await rig.toVisitor('1', viewPage());
    const nick = 'Visitor 1';
    expect(await shown()).toEqual({ nick, status: '/home' });
    await rig.toVisitor('1', receive('op1', 'x1'));
    expect(await shown()).toEqual({ nick, status: 'Invited · op1 · /home' });
    await rig.toVisitor('1', startChat());
    // The tenant does not want the show.
    expect(await shown()).toEqual({ nick, status: 'Waiting · /home\nChat #c1 (sales)' });
    const online = count(world, 'online');
    expect(online).toBe(3); // one presence for each change
  });

  it('logs in again after another login replaced the session, and waits longer each time', async () => {
    const world = await worldOf();
    const { rig, ejabberd } = world;
    await world.reconciler.start();
    await rig.toVisitor('1', viewPage());
    await untilIdle(world);
    const jid = jidOf('1');
    for (const [wait, before] of [
      [3_000, 2_999],
      [6_000, 5_999],
      [12_000, 11_999],
    ] as const) {
      ejabberd.present.delete(jid);
      ejabberd.calls.length = 0;
      world.reconciler.sessionLost({ tenant: ACME, key: visitorKey('1') });
      rig.clock.passes(before);
      await nextTick();
      expect(ejabberd.calls).not.toContain(`online ${jid}`);
      rig.clock.passes(wait - before);
      await untilIdle(world);
      expect(ejabberd.present.has(jid)).toBe(true);
    }
  });

  it('who returns during the removal is online afterwards', async () => {
    const world = await worldOf();
    const { rig, ejabberd, visible } = world;
    await world.reconciler.start();
    await rig.toVisitor('1', viewPage());
    await untilIdle(world);
    const gate = Promise.withResolvers<void>();
    ejabberd.state.before = (call) =>
      call.startsWith('offline') ? gate.promise : Promise.resolve();
    await rig.toVisitor('1', remove);
    await waitFor(() => count(world, 'offline') === 1);
    await rig.toVisitor('1', viewPage());
    await world.caughtUp();
    gate.resolve();
    await untilIdle(world);
    expect([ejabberd.accounts.size, visible()]).toEqual([1, [jidOf('1')]]);
    expect(ejabberd.transport.isOnline(jidOf('1'))).toBe(true);
  });

  it('gets only the newest state after an outage', async () => {
    const world = await worldOf();
    const { rig, ejabberd } = world;
    ejabberd.state.down = true;
    const started = world.reconciler.start();
    for (let i = 0; i < 20; i++) await rig.toVisitor('1', viewPage(`p${i}`));
    await rig.toVisitor('2', viewPage());
    await rig.toVisitor('2', { type: 'TimeOut' });
    await world.caughtUp();
    ejabberd.state.down = false;
    rig.clock.passes(60_000);
    await started;
    await untilIdle(world);
    // One from the schedule and one from the comparison. The transport sends only differences.
    expect(count(world, `online ${jidOf('1')}`)).toBeLessThanOrEqual(2);
    expect(ejabberd.present.get(jidOf('1'))?.status).toBe('/p19');
    expect(count(world, `online ${jidOf('2')}`)).toBe(0);
  });
});

describe('an account at which ejabberd crashes', () => {
  /** ejabberd crashes at every use of an account, and perhaps its removal mends it. */
  async function crashingWorld(options: { mark?: string; mends: boolean; online?: true }) {
    const world = await worldOf(options.mark === undefined ? {} : { mark: options.mark });
    const { ejabberd } = world;
    await world.reconciler.start();
    if (options.online) {
      await world.rig.toVisitor('1', viewPage());
      await untilIdle(world);
    }
    let crashes = true;
    const removedAt: number[] = [];
    ejabberd.state.before = async (call) => {
      if (call.startsWith('unregister')) {
        removedAt.push(world.rig.now());
        if (options.mends) crashes = false;
      }
      if (!crashes || !/^(register|accountExists|online) /.test(call)) return;
      throw new AppError('unavailable', 'ejabberd failed', { reason: 'crash', status: 500 });
    };
    await world.rig.toVisitor('1', viewPage('next'));
    return { ...world, removedAt };
  }
  /** Lets time pass until the visitor was tried so often. */
  async function untilTried(world: World, times: number) {
    const tried = () => count(world, 'register') + count(world, 'accountExists');
    const before = tried();
    await waitFor(() => {
      world.rig.clock.passes(1_000);
      return tried() >= before + times;
    });
  }

  it('is removed and made anew', async () => {
    const world = await crashingWorld({ mends: true });
    await untilTried(world, 2);
    await untilIdle(world);
    expect(world.ejabberd.present.has(jidOf('1'))).toBe(true);
    expect(world.visible()).toEqual([jidOf('1')]);
    expect(count(world, 'unregister')).toBe(1);
  });

  it('is removed once in a time, for ejabberd may crash at everything', async () => {
    const world = await crashingWorld({ mends: false });
    await untilTried(world, 3);
    await world.reconciler.compare(); // forgets what it knew of the account
    await waitFor(() => {
      world.rig.clock.passes(10_000);
      return world.removedAt.length >= 2;
    });
    const [first = 0, second = 0] = world.removedAt;
    expect(second - first).toBeGreaterThanOrEqual(REMAKE_INTERVAL_MS);
  });

  it('stays if it belongs to another log', async () => {
    const world = await crashingWorld({ mark: OTHER_LOG, mends: true });
    await untilTried(world, 5);
    expect(count(world, 'unregister')).toBe(0);
  });

  it('stays if the visitor has a session', async () => {
    const world = await crashingWorld({ online: true, mends: true });
    await untilTried(world, 5);
    expect(count(world, 'unregister')).toBe(0);
  });

  it('stays while ejabberd is only away', async () => {
    const world = await crashingWorld({ mends: true });
    world.ejabberd.state.before = async () => {};
    world.ejabberd.state.down = true;
    await untilTried(world, 5);
    expect(count(world, 'unregister')).toBe(0);
  });
});

describe('a failed reconciliation', () => {
  it('waits for its backoff, whatever the visitor does meanwhile', async () => {
    const world = await worldOf();
    const { rig, ejabberd } = world;
    await world.reconciler.start();
    ejabberd.state.before = async (call) => {
      if (call.startsWith('register')) throw new AppError('unavailable', 'away');
    };
    await rig.toVisitor('1', viewPage('a'));
    await waitFor(() => count(world, 'register') === 1);
    for (const page of ['b', 'c', 'd']) await rig.toVisitor('1', viewPage(page));
    await rig.toVisitor('1', startChat());
    await world.caughtUp();
    const until = performance.now() + 250; // more than two ticks
    await waitFor(() => performance.now() > until);
    expect(count(world, 'register')).toBe(1);
    ejabberd.state.before = async () => {};
    rig.clock.passes(500);
    await untilIdle(world);
    expect(ejabberd.present.get(jidOf('1'))).toMatchObject({ show: 'chat' });
  });

  it('applies a change that comes during the retry', async () => {
    const world = await worldOf();
    const { rig, ejabberd, visible } = world;
    await world.reconciler.start();
    let fails = true;
    const gate = Promise.withResolvers<void>();
    ejabberd.state.before = async (call) => {
      if (!call.startsWith('online')) return;
      if (fails) throw new AppError('unavailable', 'away');
      await gate.promise;
    };
    await rig.toVisitor('1', viewPage());
    await waitFor(() => count(world, 'online') === 1);
    fails = false;
    rig.clock.passes(500);
    await waitFor(() => count(world, 'online') === 2);
    await rig.toVisitor('1', { type: 'TimeOut' });
    await world.caughtUp();
    gate.resolve();
    await untilIdle(world);
    expect(visible()).toEqual([]);
    expect(ejabberd.transport.isOnline(jidOf('1'))).toBe(false);
  });

  it('after a refusal is recorded once and retried later', async () => {
    const world = await worldOf();
    const { rig, ejabberd } = world;
    await world.reconciler.start();
    const answers = ['unavailable', 'refused', 'refused'] as const;
    let n = 0;
    ejabberd.state.before = async (call) => {
      if (!call.startsWith('register')) return;
      const code = answers[n++];
      if (code) throw new AppError(code, 'no such host');
    };
    await rig.toVisitor('1', viewPage());
    for (const ms of [0, 500, 60_000, 60_000]) {
      rig.clock.passes(ms);
      const before = n;
      // The refusal is appended before the next try is scheduled. Time that passes earlier would not count.
      await waitFor(() => n > before && rig.host.stats().waiting === 0);
    }
    await untilIdle(world);
    const failed = (await rig.facts('visitor-acme.1')).filter(
      ({ type }) => type === 'SessionFailed',
    );
    expect(failed.map(({ data }) => data)).toEqual([{ reason: 'no such host' }]);
    expect(ejabberd.transport.isOnline(jidOf('1'))).toBe(true);
  });
});

describe('maxVisibleVisitors', () => {
  const arrive = async ({ rig }: World, ...keys: string[]) => {
    for (const key of keys) {
      rig.clock.passes(10);
      await rig.toVisitor(key, viewPage());
    }
  };
  const shows = (world: World, ...keys: string[]) =>
    waitFor(
      () => {
        world.rig.clock.passes(200);
        const shown = [...world.ejabberd.present.keys()].map((jid) => jid.split('@')[0]).sort();
        expect(shown).toEqual(keys.map((key) => `visitor.${key}`).sort());
        return true;
      },
      { what: () => `${keys}, not ${[...world.ejabberd.present.keys()]}` },
    );

  it('shows the most recent visitors, and visitors with a chat before them', async () => {
    const world = await worldOf({ settings: { maxVisibleVisitors: 3 } });
    await world.reconciler.start();
    await arrive(world, '1', '2', '3');
    await shows(world, '1', '2', '3');
    await arrive(world, '4', '5'); // no other fact follows
    await shows(world, '3', '4', '5');
    await world.rig.toVisitor('1', startChat('c1'));
    await shows(world, '1', '4', '5');
    await world.rig.toVisitor('1', closeChat('c1'));
    await arrive(world, '6', '7');
    await shows(world, '1', '6', '7'); // visitor 1 was last seen when the chat ended
    await arrive(world, '8');
    await shows(world, '6', '7', '8');
  });

  it('shows a chat that an operator has before those that wait', async () => {
    const world = await worldOf({ settings: { maxVisibleVisitors: 2 } });
    await world.reconciler.start();
    await arrive(world, '1', '2', '3');
    await world.rig.toVisitor('1', startChat('c1'));
    await world.rig.toVisitor('1', { type: 'AcceptChat', operator: username('op1') });
    for (const key of ['2', '3']) {
      world.rig.clock.passes(10);
      await world.rig.toVisitor(key, startChat(`c${key}`));
    }
    await shows(world, '1', '3');
    const facts = await world.rig.facts('visitor-acme.2');
    await world.rig.toVisitor('2', {
      type: 'OfferChat',
      chatId: 'c2',
      search: facts.findLast(({ type }) => type === 'ChatStarted')?.revision ?? -1,
      operators: [username('op1')],
      reason: 'broadcast',
      considered: { free: 1, first: [] },
    });
    await shows(world, '1', '2');
  });

  it('gives the places that mod_lhc has to visitors with a chat, and tries for more later', async () => {
    let most = 3; // one of them for the front desk
    const ejabberd = fakeEjabberd();
    const { transport } = ejabberd;
    const { online } = transport;
    transport.online = async (jid, presence) => {
      const isFull = !transport.isOnline(jid) && transport.sessions().length >= most - 1;
      if (isFull) throw new AppError('unavailable', 'no place', { [MOST_CONTACTS]: most });
      return online(jid, presence);
    };
    const world = await worldOf({ ejabberd, settings: { transport: 'component' } });
    await world.reconciler.start();
    await arrive(world, '1', '2', '3');
    await shows(world, '2', '3');
    await world.rig.toVisitor('1', startChat('c1'));
    await shows(world, '1', '3');
    most = 10;
    world.rig.clock.passes(BOUND_MS);
    await arrive(world, '4');
    await shows(world, '1', '2', '3', '4');
  });

  it('shows a hidden visitor who is invited, by the front desk say', async () => {
    const world = await worldOf({ settings: { maxVisibleVisitors: 2 } });
    await world.reconciler.start();
    await arrive(world, '1', '2', '3');
    await shows(world, '2', '3');
    world.rig.clock.passes(10);
    await world.rig.toVisitor('1', receive('op1', 'o1'));
    await shows(world, '1', '3');
  });

  it('shows a hidden visitor when another one leaves', async () => {
    const world = await worldOf({ settings: { maxVisibleVisitors: 2 } });
    await world.reconciler.start();
    await arrive(world, '1', '2', '3', '4');
    await shows(world, '3', '4');
    await world.rig.toVisitor('4', { type: 'TimeOut' });
    await shows(world, '2', '3');
    await world.rig.toVisitor('3', { type: 'TimeOut' });
    await shows(world, '1', '2'); // both fit again
  });
});

describe('a comparison with ejabberd', () => {
  it('restores what ejabberd lost, and nothing else', async () => {
    const world = await worldOf();
    const { rig, ejabberd, visible } = world;
    await world.reconciler.start();
    for (const key of ['1', '2', '3']) await rig.toVisitor(key, viewPage());
    await untilIdle(world);
    ejabberd.accounts.delete(jidOf('1')); // as after a kill, which loses Mnesia's last two seconds
    ejabberd.members('visitors').delete(jidOf('1'));
    ejabberd.members('visitors').delete(jidOf('2'));
    ejabberd.calls.length = 0;
    await world.reconciler.compare();
    await untilIdle(world);
    expect(visible()).toEqual(['1', '2', '3'].map(jidOf));
    expect(
      ejabberd.calls.filter((call) => /register|joinGroup|setVisitorCard/.test(call)).sort(),
    ).toEqual(
      [`joinGroup ${jidOf('1')}`, `joinGroup ${jidOf('2')}`, `joinGroup op1@${HOST}`]
        .concat([`register ${jidOf('1')}`, `setVisitorCard ${jidOf('1')}`])
        .filter((call) => !call.includes('op1')),
    );
  });

  it('removes orphans and keeps accounts of others', async () => {
    const ejabberd = fakeEjabberd();
    const [orphan, member] = [jidOf('orphan'), jidOf('member')];
    for (const jid of [orphan, `op1@${HOST}`, `admin@${HOST}`, 'visitor.x@elsewhere.test']) {
      ejabberd.accounts.set(jid, 'x');
    }
    ejabberd.members('visitors').add(member);
    const world = await worldOf({ ejabberd });
    await world.reconciler.start();
    expect([...ejabberd.accounts.keys()]).toEqual([
      `op1@${HOST}`,
      `admin@${HOST}`,
      'visitor.x@elsewhere.test',
    ]);
    expect(world.visible()).toEqual([]);
    // An operator who is missing in the group joins it again.
    expect([...ejabberd.members('operators')]).toEqual([`op1@${HOST}`]);
  });

  describe('accounts of another log', () => {
    /** Three accounts of which the log knows `shared` alone. `gone` was cleaned up by it. */
    async function foreignWorld(options: Parameters<typeof worldOf>[0]) {
      const ejabberd = fakeEjabberd();
      for (const name of ['theirs', 'shared', 'gone']) {
        ejabberd.accounts.set(jidOf(name), 'x');
        ejabberd.members('visitors').add(jidOf(name));
      }
      const world = await worldOf({ ...options, ejabberd });
      await world.rig.toVisitor('shared', viewPage());
      await world.rig.toVisitor('gone', viewPage());
      await world.rig.toVisitor('gone', remove);
      await world.caughtUp();
      return world;
    }
    const accountsOf = ({ ejabberd }: World) => [...ejabberd.accounts.keys()].sort();
    const all = ['gone', 'shared', 'theirs'].map(jidOf);

    it.each([null, OTHER_LOG])(
      'are not removed (mark: %s), and visitors are shown',
      async (mark) => {
        const world = await foreignWorld({ mark });
        await world.reconciler.start();
        await untilIdle(world);
        await world.reconciler.compare(); // and no later comparison forgets it
        await untilIdle(world);
        expect(accountsOf(world)).toEqual(all);
        expect(world.ejabberd.transport.isOnline(jidOf('shared'))).toBe(true);
        expect([...world.reconciler.kept().values()]).toEqual([{ mark, strangers: 1 }]);
        expect(world.ejabberd.marks.get('visitors') ?? null).toBe(mark);
        // Somebody who comes and goes meanwhile.
        await world.rig.toVisitor('shared', remove);
        await untilIdle(world);
        expect(accountsOf(world)).toEqual(all);
      },
    );

    it('stay the other log’s when it has no visitors left in ejabberd', async () => {
      const world = await worldOf({ mark: OTHER_LOG });
      await world.reconciler.start();
      expect(world.ejabberd.marks.get('visitors')).toBe(OTHER_LOG);
      expect(world.reconciler.kept().size).toBe(1);
    });

    it.each([
      [null, 'none'],
      [OTHER_LOG, OTHER_LOG],
    ])('are taken over when the administrator says so (mark: %s)', async (mark, from) => {
      const world = await foreignWorld({ mark, takeOverFrom: [from] });
      await world.reconciler.start();
      await untilIdle(world);
      expect(accountsOf(world)).toEqual([jidOf('shared')]);
      expect(world.ejabberd.marks.get('visitors')).toBe(LOG);
      expect(world.reconciler.kept().size).toBe(0);
    });

    it('are taken over from the old Node server, which marks nothing, where LHC picks operators', async () => {
      const settings = { routing: { by: 'lhc' } };
      const world = await foreignWorld({ mark: null, settings });
      await world.reconciler.start();
      await untilIdle(world);
      expect(accountsOf(world)).toEqual([jidOf('shared')]);
      expect(world.ejabberd.marks.get('visitors')).toBe(LOG);
      const other = await foreignWorld({ mark: OTHER_LOG, settings });
      await other.reconciler.start();
      await untilIdle(other);
      expect(accountsOf(other)).toEqual(all);
    });

    it('stay while the old Node server still shows visitors, unless the administrator says otherwise', async () => {
      const settings = { routing: { by: 'lhc' } };
      const session = { resource: 'old', show: 'available', status: '', priority: 0 };
      const world = await foreignWorld({ mark: null, settings });
      world.ejabberd.sessions.set(jidOf('theirs'), [session]);
      await world.reconciler.start();
      await untilIdle(world);
      expect(accountsOf(world)).toEqual(all);
      expect(world.ejabberd.marks.size).toBe(0);
      const [kept] = world.reconciler.kept().values();
      expect(kept && keptAccountsText(kept)).toMatch(/still runs: visitor theirs, .*End the old/);
      world.ejabberd.sessions.clear();
      await world.reconciler.compare();
      await untilIdle(world);
      expect(accountsOf(world)).toEqual([jidOf('shared')]);

      const told = await foreignWorld({ mark: null, settings, takeOverFrom: ['none'] });
      told.ejabberd.sessions.set(jidOf('theirs'), [session]);
      await told.reconciler.start();
      await untilIdle(told);
      expect(accountsOf(told)).toEqual([jidOf('shared')]);
    });

    it('that no log has marked are its own when it knows every visitor', async () => {
      const world = await foreignWorld({ mark: null });
      world.ejabberd.accounts.delete(jidOf('theirs'));
      world.ejabberd.members('visitors').delete(jidOf('theirs'));
      await world.reconciler.start();
      await untilIdle(world);
      expect(accountsOf(world)).toEqual([jidOf('shared')]);
      expect(world.ejabberd.marks.get('visitors')).toBe(LOG);
    });

    it('are marked by the process that looks after the tenant; the others see it', async () => {
      const tenantPartition = partitionOf('acme');
      const others = ALL_PARTITIONS.filter((each) => each !== tenantPartition);
      const world = await worldOf({ mark: null, ownership: movableOwnership(others) });
      await world.reconciler.start();
      expect(world.ejabberd.marks.size).toBe(0);
      await world.rig.toVisitor('1', viewPage());
      await untilIdle(world);
      world.ejabberd.marks.set('visitors', LOG);
      await world.rig.toVisitor('1', remove);
      await untilIdle(world);
      expect(world.ejabberd.accounts.size).toBe(0);
    });
  });

  it('adopts the operators that the old Node server has made, and nobody who was here before', async () => {
    const ejabberd = fakeEjabberd();
    for (const name of ['olga', 'api', 'ghost', 'removed']) {
      if (name !== 'ghost') ejabberd.accounts.set(`${name}@${HOST}`, 'x');
      ejabberd.members('operators').add(`${name}@${HOST}`);
    }
    const adopted: string[] = [];
    const adoptOperator: OperatorAccounts['adopt'] = async (_tenant, name) => {
      if (name === 'api') throw new AppError('invalid', 'this username is reserved');
      adopted.push(name);
    };
    const rig = await openRig({ settings: { routing: { by: 'lhc' } } });
    await rig.actors
      .operator(ACME, username('removed'))
      .send({ type: 'ClaimAccount', adopted: true });
    const world = await worldOf({ rig, ejabberd, adoptOperator });
    await world.reconciler.start();
    expect(adopted).toEqual(['olga']);
    const native = await worldOf({ ejabberd, adoptOperator });
    await native.reconciler.start();
    expect(adopted).toEqual(['olga']);
  });

  it('keeps a visitor who arrives during the comparison', async () => {
    const world = await worldOf();
    const { rig, ejabberd } = world;
    await world.reconciler.start();
    ejabberd.state.before = async (call) => {
      if (call.startsWith('accounts')) {
        ejabberd.state.before = async () => {};
        await rig.toVisitor('new', viewPage());
        await ejabberd.admin.register(jidOf('new'), 'x');
      }
    };
    await world.reconciler.compare();
    await untilIdle(world);
    expect(count(world, 'unregister')).toBe(0);
    expect(ejabberd.transport.isOnline(jidOf('new'))).toBe(true);
  });

  it('shows and removes who is wanted so, though the accounts cannot be listed', async () => {
    const world = await worldOf();
    const { rig, ejabberd, visible } = world;
    await rig.toVisitor('here', viewPage());
    await rig.toVisitor('gone', viewPage());
    await rig.toVisitor('gone', remove);
    ejabberd.accounts.set(jidOf('gone'), 'x');
    ejabberd.accounts.set(jidOf('orphan'), 'x');
    ejabberd.state.before = async (call) => {
      if (call.startsWith('accounts')) throw new AppError('unavailable', 'no end within 120 s');
    };
    const started = world.reconciler.start();
    await waitFor(() => ejabberd.transport.isOnline(jidOf('here')));
    await waitFor(() => !ejabberd.accounts.has(jidOf('gone')));
    expect(visible()).toEqual([jidOf('here')]);
    // Orphans need the list. It comes with a later try.
    expect(ejabberd.accounts.has(jidOf('orphan'))).toBe(true);
    ejabberd.state.before = async () => {};
    await started;
    expect(ejabberd.accounts.has(jidOf('orphan'))).toBe(false);
  });

  it('tries no visitor while ejabberd is away', async () => {
    const world = await worldOf();
    const { rig, ejabberd } = world;
    await rig.toVisitor('here', viewPage());
    ejabberd.state.down = true;
    const started = world.reconciler.start();
    await waitFor(() => count(world, 'version') > 0);
    await nextTick();
    expect(count(world, 'register')).toBe(0);
    ejabberd.state.down = false;
    await started;
    await untilIdle(world);
    expect(ejabberd.transport.isOnline(jidOf('here'))).toBe(true);
  });

  it('removes an account again whose removal ejabberd lost', async () => {
    const world = await worldOf();
    const { rig, ejabberd } = world;
    await world.reconciler.start();
    await rig.toVisitor('1', viewPage());
    await rig.toVisitor('1', remove);
    await untilIdle(world);
    ejabberd.accounts.set(jidOf('1'), 'x');
    await world.reconciler.compare();
    expect(ejabberd.accounts.size).toBe(0);
  });

  it('leaves nothing of a visitor who was removed before the first comparison', async () => {
    const first = await worldOf();
    await first.reconciler.start();
    await first.rig.toVisitor('1', viewPage());
    await untilIdle(first);
    await first.reconciler.stop();
    const rig = await first.rig.restart();
    const { ejabberd } = first;
    let listed = false;
    ejabberd.state.before = async (call) => {
      if (call.startsWith('ensureGroups') && !listed) throw new AppError('unavailable', 'away');
    };
    const world = await worldOf({ ejabberd, rig });
    const started = world.reconciler.start();
    await rig.toVisitor('1', remove);
    await waitFor(() => count(world, 'unregister') === 1);
    listed = true;
    await started;
    expect([ejabberd.accounts.size, world.visible()]).toEqual([0, []]);
    expect(world.desired.get({ tenant: ACME, key: visitorKey('1') })).toBeNull();
  });
});

it('a visitor sends at most one presence in two seconds, and the last one counts', async () => {
  const world = await worldOf();
  const { rig, ejabberd } = world;
  await world.reconciler.start();
  await rig.toVisitor('1', viewPage('a'));
  await untilIdle(world);
  for (const page of ['b', 'c', 'd']) await rig.toVisitor('1', viewPage(page));
  await world.caughtUp();
  const until = performance.now() + 250;
  await waitFor(() => performance.now() > until);
  expect(count(world, 'online')).toBe(1);
  rig.clock.passes(2_000);
  await untilIdle(world);
  expect(count(world, 'online')).toBe(2);
  expect(ejabberd.present.get(jidOf('1'))?.status).toBe('/d');
});

describe('with several processes', () => {
  const ofTenant = partitionOf('acme');
  const of = (key: string) => partitionOf(`acme.${key}`);
  /** The accounts of these visitors as another process made them. */
  const addAccounts = async ({ ejabberd }: World, ...keys: string[]) => {
    for (const key of keys) {
      const jid = jidOf(key);
      ejabberd.accounts.set(jid, 'x');
      ejabberd.nicknames.set(jid, `Visitor ${key}`);
      ejabberd.members('visitors').add(jid);
    }
  };
  const viewPages = async ({ rig, caughtUp }: World, ...keys: string[]) => {
    for (const key of keys) await rig.toVisitor(key, viewPage());
    await caughtUp();
  };
  /** Longer than two ticks of the schedule. */
  const ticks = async () => {
    const until = performance.now() + 250;
    await waitFor(() => performance.now() > until);
  };

  it('each shows the visitors of its partitions, and the owner of the tenant makes the groups', async () => {
    expect(new Set([ofTenant, of('1'), of('2')]).size).toBe(3);
    const world = await worldOf({ ownership: movableOwnership([of('1')]) });
    await world.reconciler.start();
    await viewPages(world, '1', '2');
    await untilIdle(world);
    expect(world.visible()).toEqual([jidOf('1')]);
    expect([...world.ejabberd.present.keys()]).toEqual([jidOf('1')]);
    expect(count(world, 'ensureGroups')).toBe(0);
    const tenants = await worldOf({ ownership: movableOwnership([ofTenant]) });
    await tenants.reconciler.start();
    expect(count(tenants, 'ensureGroups')).toBe(1);
  });

  it('gained partitions are compared together, and only differences are repaired', async () => {
    const ownership = movableOwnership([]);
    const world = await worldOf({ ownership });
    const { rig, ejabberd } = world;
    await world.reconciler.start();
    await viewPages(world, '1', '2', '3', 'gone');
    await rig.toVisitor('gone', remove);
    await addAccounts(world, '1', '2', 'gone', 'orphan');
    await world.caughtUp();
    await ticks();
    expect(ejabberd.calls).toEqual([]);
    ownership.gain(...ALL_PARTITIONS);
    await waitFor(() => ejabberd.present.size === 3);
    await untilIdle(world);
    expect(count(world, 'accounts')).toBe(1);
    expect(ejabberd.calls.filter((call) => /register|joinGroup visitor/.test(call)).sort()).toEqual(
      ['joinGroup', 'register', 'unregister', 'unregister'].map(
        (name, index) => `${name} ${jidOf(['3', '3', 'gone', 'orphan'][index] ?? '')}`,
      ),
    );
    expect([...ejabberd.accounts.keys()].sort()).toEqual(['1', '2', '3'].map(jidOf));
  });

  it('the owner of an orphan removes it', async () => {
    const ownership = movableOwnership(ALL_PARTITIONS.filter((each) => each !== of('theirs')));
    const world = await worldOf({ ownership });
    await addAccounts(world, 'theirs', 'mine');
    expect(of('mine')).not.toBe(of('theirs'));
    await world.reconciler.start();
    expect(world.visible()).toEqual([jidOf('theirs')]);
  });

  it('a lost partition is left as it is: its sessions are released, and nothing else happens', async () => {
    const ownership = movableOwnership();
    const world = await worldOf({ ownership });
    const { rig, ejabberd, reconciler } = world;
    await reconciler.start();
    await viewPages(world, '1', '2');
    await untilIdle(world);
    await rig.toVisitor('1', viewPage('later')); // is pending
    await world.caughtUp();
    expect(reconciler.pending()).toBe(1);
    ejabberd.calls.length = 0;
    ownership.lose(of('1'));
    expect(reconciler.pending()).toBe(0);
    await rig.toVisitor('1', startChat());
    await rig.toVisitor('1', closeChat());
    await rig.toVisitor('1', remove);
    rig.clock.passes(60_000);
    await world.caughtUp();
    await ticks();
    // This process still looks after the tenant, so it reads the operators' rosters.
    const changes = ejabberd.calls.filter((call) => !/^(groupMembers|rosterContacts) /.test(call));
    expect(changes).toEqual([`release ${jidOf('1')}`]);
    expect([...ejabberd.present.keys()]).toEqual([jidOf('2')]);
  });

  it('a session whose next owner nobody can tell is kept, until the log says who it is', async () => {
    const ownership = movableOwnership();
    const world = await worldOf({ ownership });
    const { ejabberd } = world;
    await world.reconciler.start();
    await viewPages(world, '1', '2');
    await untilIdle(world);
    expect(of('1')).not.toBe(of('2'));
    ownership.lose(of('1')); // the lease ended, and the event store is away
    expect([...ejabberd.releasedFor]).toEqual([[jidOf('1'), SESSION_KEPT_MS]]);
    ownership.taken(of('1'));
    expect(ejabberd.releasedFor.get(jidOf('1'))).toBe(SESSION_RELEASE_MS);
    await ownership.handOver(of('2'));
    expect(ejabberd.releasedFor.get(jidOf('2'))).toBe(SESSION_RELEASE_MS);
  });

  it('a partition that is gained back keeps the sessions that were not replaced, and gets the newest state', async () => {
    const ownership = movableOwnership();
    const world = await worldOf({ ownership });
    const { rig, ejabberd } = world;
    await world.reconciler.start();
    await viewPages(world, '1', '2');
    await untilIdle(world);
    ownership.lose(...ALL_PARTITIONS);
    expect(ejabberd.transport.handOverCount()).toBe(2);
    await rig.toVisitor('1', viewPage('later'));
    await rig.toVisitor('2', { type: 'TimeOut' });
    await world.caughtUp();
    ejabberd.calls.length = 0;
    ownership.gain(...ALL_PARTITIONS);
    await waitFor(() => ejabberd.transport.handOverCount() === 0);
    await untilIdle(world);
    expect(ejabberd.present.get(jidOf('1'))?.status).toBe('/later');
    expect(world.visible()).toEqual([jidOf('1')]);
    expect(count(world, 'register')).toBe(0);
  });

  it('the loss of a partition ends a reconciliation, which is not a failure', async () => {
    const ownership = movableOwnership();
    const world = await worldOf({ ownership });
    const { rig, ejabberd, reconciler } = world;
    await reconciler.start();
    ejabberd.calls.length = 0;
    const gate = Promise.withResolvers<void>();
    ejabberd.state.before = () => gate.promise;
    await viewPages(world, '1');
    await waitFor(() => count(world, 'register') === 1);
    ownership.lose(of('1'));
    gate.resolve();
    await waitFor(() => reconciler.pending() === 0);
    await ticks();
    expect(ejabberd.calls).toEqual([`register ${jidOf('1')}`]);
    ownership.gain(of('1'));
    await waitFor(() => ejabberd.transport.isOnline(jidOf('1')));
    expect(await rig.types('visitor-acme.1')).not.toContain('SessionFailed');
  });

  it('a lapsed lease stops reconciliations, and they stay pending until the loss is announced', async () => {
    const moved = movableOwnership();
    let lapsed = false;
    const ownership = { ...moved, owns: (each: number) => !lapsed && moved.owns(each) };
    const world = await worldOf({ ownership });
    const { ejabberd, reconciler } = world;
    await reconciler.start();
    ejabberd.calls.length = 0;
    lapsed = true;
    await viewPages(world, '1', '2');
    await ticks();
    expect([ejabberd.calls, reconciler.pending()]).toEqual([[], 2]);
    moved.lose(of('2'));
    expect(reconciler.pending()).toBe(1);
    lapsed = false; // the lease is renewed
    await untilIdle(world);
    expect(world.visible()).toEqual([jidOf('1')]);
  });

  it('a host that ejabberd does not serve delays no other host and no gained partition', async () => {
    const rig = await openRig();
    const settings = { apiKey: 'key-of-acme-0123456789' };
    const missing = tenantWith({ id: 'gone', host: 'gone.test', ...settings });
    const acme = tenantWith({ id: 'acme', host: HOST, ...settings });
    const ownership = movableOwnership(ALL_PARTITIONS.filter((each) => each !== of('2')));
    const ejabberd = fakeEjabberd();
    ejabberd.state.before = async (call) => {
      if (call === 'accounts gone.test') throw new AppError('unavailable', 'no such host');
    };
    await rig.toVisitor('1', viewPage());
    await rig.toVisitor('2', viewPage());
    const tenants = createTenantDirectory([missing, acme]);
    const world = await worldOf({ rig: { ...rig, tenants }, ownership, ejabberd });
    void world.reconciler.start();
    await waitFor(() => world.visible().length === 1, { what: 'the visitor of the other host' });
    ownership.gain(of('2'));
    await waitFor(() => world.visible().length === 2, { what: 'the visitor that was gained' });
  });

  it('a hand-over waits for reconciliations that are under way', async () => {
    const ownership = movableOwnership();
    const world = await worldOf({ ownership });
    const { ejabberd, reconciler } = world;
    await reconciler.start();
    const gate = Promise.withResolvers<void>();
    ejabberd.state.before = (call) =>
      call.startsWith('joinGroup') ? gate.promise : Promise.resolve();
    await viewPages(world, '1');
    await waitFor(() => count(world, 'joinGroup') === 1);
    let isHandedOver = false;
    const handing = ownership.handOver(of('1')).then(() => {
      isHandedOver = true;
    });
    await ticks();
    expect(isHandedOver).toBe(false);
    gate.resolve();
    await handing;
    expect([reconciler.pending(), count(world, 'online')]).toEqual([0, 0]);
  });

  it('every process forgets a visitor whom another process has removed', async () => {
    const ownership = movableOwnership([ofTenant]);
    const world = await worldOf({ ownership });
    const { rig, ejabberd, desired } = world;
    await world.reconciler.start();
    await viewPages(world, '1');
    await addAccounts(world, '1');
    await rig.toVisitor('1', remove);
    await world.reconciler.compare();
    expect(desired.get({ tenant: ACME, key: visitorKey('1') })).not.toBeNull(); // its account is still there
    ejabberd.accounts.clear();
    ejabberd.members('visitors').clear();
    await world.reconciler.compare();
    expect(desired.get({ tenant: ACME, key: visitorKey('1') })).toBeNull();
    expect(count(world, 'unregister')).toBe(0);
  });

  it('each process notices an outage by its own sessions, and compares once', async () => {
    const world = await worldOf();
    const { ejabberd } = world;
    await world.reconciler.start();
    await viewPages(world, '1', '2', '3');
    await untilIdle(world);
    const before = count(world, 'accounts');
    for (const key of ['1', '2', '3']) ejabberd.members('visitors').delete(jidOf(key));
    for (const key of ['1', '2', '3']) ejabberd.reconnect(jidOf(key));
    await waitFor(() => world.visible().length === 3);
    await untilIdle(world);
    expect(count(world, 'accounts')).toBe(before + 1);
  });
});
