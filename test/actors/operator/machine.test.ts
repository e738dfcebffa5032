import { describe, expect, it } from 'vitest';
import { operatorDecider, operatorState } from '../../../src/actors/operator/decisions.ts';
import type { OperatorFact, Show } from '../../../src/actors/operator/facts.ts';
import { visitorKey } from '../../support/names.ts';
import {
  changePresence,
  closeSession,
  compare,
  gone,
  HOUR,
  loggedIn,
  loggedOut,
  OWNER_GRACE,
  openSession,
  presence,
  register,
  registered,
  release,
  released,
  removed,
  reserve,
  reserved,
  responds,
  take,
  taken,
} from '../facts.ts';
import { scenario } from '../scenario.ts';
import { MemoryStream } from '../stream.ts';

const operator = () => scenario(operatorDecider);
/** A history of release 0.1.0 may begin so. */
const unregistered = [loggedIn(), presence('available', 'offline>available')];
const online = [registered(2), ...unregistered];
const free = online;

describe('registration', () => {
  it('has no effect if repeated; a changed field causes a fact', () => {
    operator().when(register()).then([registered()]);
    operator().given([registered()]).when(register()).then([]);
    operator()
      .given([registered()])
      .when(register(5))
      .then([registered(5)]);
    operator()
      .given([registered()])
      .when({ ...register(), nameChanged: true } as ReturnType<typeof register>)
      .then([registered()]);
  });

  it('is required for everything about chats', () => {
    for (const command of [reserve(), take(null), { type: 'Remove' } as const]) {
      operator()
        .given(unregistered)
        .when(command)
        .refused(/not registered/);
    }
  });

  it('follows the claim of the account, which is made once', () => {
    const claimed: OperatorFact = { type: 'OperatorAccountClaimed', data: { adopted: false } };
    operator().when({ type: 'ClaimAccount', adopted: false }).then([claimed]);
    // The account may not exist yet, so each request claims anew until an operator is registered with it.
    operator().given([claimed]).when({ type: 'ClaimAccount', adopted: false }).then([claimed]);
  });

  it('ends by removal; open chats go to other operators', () => {
    const removed: OperatorFact = { type: 'OperatorRemoved', data: { offlineLhcUserId: 7 } };
    operator().given(free).when({ type: 'Remove' }).then([removed]);
    operator()
      .given([...free, removed])
      .when({ type: 'Remove' })
      .refused(/not registered/);
    operator()
      .given([...free, removed])
      .when(reserve())
      .refused(/not registered/);
    operator()
      .given([...free, reserved()])
      .when({ type: 'Remove' })
      .then([{ type: 'OperatorRemoved', data: { chats: ['c1'], offlineLhcUserId: 7 } }]);
    operator().given([removed]).when(register()).then([registered()]);
  });

  it('starts empty after a removal', () => {
    const again = operator().given([...free, reserved(), taken(), removed('c1'), registered()]);
    again.when(take()).refused(/no longer has this reservation/);
    again.when(release()).then([]);
    again.when(reserve('r3', 'c3')).then([reserved('r3', 'c3')]);
  });

  it('of an operator who is online says so, because LHC has had no callback before', () => {
    const { type, data, personal } = registered();
    const online = { type, data: { ...data, online: true }, personal } as OperatorFact; // as one type
    operator()
      .given([loggedIn(), presence('away', 'offline>away')])
      .when(register())
      .then([online]);
    operator()
      .given(free)
      .when(register(3))
      .then([registered(3)]);
  });
});

describe('presence', () => {
  it('counts from the first presence, not from the connection', () => {
    operator().given([registered()]).when(openSession()).then([loggedIn()]);
    operator()
      .given([registered(), loggedIn()])
      .when(changePresence('available'))
      .then([presence('available', 'offline>available')]);
    operator().given(online).when(changePresence('available')).then([]);
  });

  it.each<[Show, string]>([
    ['chat', 'available'],
    ['away', 'away'],
    ['xa', 'away'],
    ['dnd', 'busy'],
    [null, 'offline'],
  ])('%s is %s', (show, availability) => {
    operator()
      .given(online)
      .when(changePresence(show))
      .then([presence(show, `available>${availability}`)]);
  });

  it('is that of the most available session; "do not disturb" outweighs away', () => {
    const two = [...online, loggedIn('available>available', 's2', 'phone')];
    operator()
      .given(two)
      .when(changePresence('away', 's2', 'phone'))
      .then([presence('away', 'available>available', 's2', 'phone')]);
    operator()
      .given([...two, presence('away', 'available>available', 's2', 'phone')])
      .when(changePresence('dnd'))
      .then([presence('dnd', 'available>busy')]);
  });

  it('from before the registration counts after it', () => {
    operator()
      .given([...unregistered, registered()])
      .when(reserve())
      .then([reserved()]);
  });

  it('of somebody who is not registered leaves no trace; what is known of it can end', () => {
    const there = [{ resource: 'gajim', show: 'available', status: '' } as const];
    const ping = { type: 'ReportPing', resource: 'gajim', answered: false } as const;
    for (const given of [[], [registered(), removed()]]) {
      for (const command of [openSession(), changePresence('away'), ping, compare(there)]) {
        operator().given(given).when(command).then([]);
      }
    }
    operator().given(unregistered).when(changePresence('away')).then([]);
    for (const command of [closeSession(), compare(there)]) {
      operator()
        .given(unregistered)
        .when(command)
        .then([loggedOut('available>offline')]);
    }
  });
});

describe('two sessions on one resource, during a resumption or a replacement', () => {
  it('the old one closes last (ejabberd 23.01, 24.12)', () => {
    operator()
      .given(online)
      .when(openSession('s2'))
      .then([loggedIn('available>available', 's2')]);
    operator()
      .given([...online, loggedIn('available>available', 's2')])
      .when(changePresence('available', 's2'))
      .then([presence('available', 'available>available', 's2')]);
    operator()
      .given([
        ...online,
        loggedIn('available>available', 's2'),
        presence('available', 'available>available', 's2'),
      ])
      .when(closeSession('s1'))
      .then([loggedOut('available>available')]);
  });

  it('the old one closes first (ejabberd 26.07)', () => {
    operator()
      .given(online)
      .when(closeSession('s1'))
      .then([loggedOut('available>offline')]);
    operator()
      .given([...online, loggedOut('available>offline')])
      .when(openSession('s2'))
      .then([loggedIn('offline>offline', 's2')]);
  });

  it('a presence of a closed session has no effect', () => {
    const over = [...online, loggedOut('available>offline')];
    operator().given(over).when(changePresence(null)).then([]);
    operator().given(over).when(closeSession()).then([]);
  });

  it('a presence of an unknown session opens it', () => {
    operator()
      .given([registered()])
      .when(changePresence('away'))
      .then([loggedIn(), presence('away', 'offline>away')]);
  });

  it('a session that is only known by its resource ends, and becomes unavailable, all the same', () => {
    const standIn = [
      registered(),
      loggedIn('offline>offline', 'resource:gajim'),
      presence('available', 'offline>available', 'resource:gajim'),
    ];
    operator()
      .given(standIn)
      .when(closeSession('s7', 'gajim'))
      .then([loggedOut('available>offline', 'resource:gajim')]);
    operator().given(standIn).when(closeSession('s7', 'phone')).then([]);
    const hidden = operator().given(standIn).when(changePresence(null, 's7')).asked();
    expect(operatorState(hidden.core)).toMatchObject({
      availability: 'offline',
      context: { sessions: { s7: { show: null } } },
    });
    operator()
      .given(standIn)
      .when(changePresence(null, 's7', 'phone'))
      .then([]);
  });

  it('an operator has at most 64; one more closes the oldest', () => {
    for (const next of [openSession('new', 'r-new'), changePresence('away', 'new', 'r-new')]) {
      const actor = new MemoryStream(operatorDecider);
      actor.send(register(), 0);
      // At a rate that needs no pause (presence-budget.ts).
      for (let i = 0; i < 64; i++) actor.send(openSession(`s${i}`, `r${i}`), i * 10_000);
      actor.send(next, 640_000);
      const { sessions } = operatorState(actor.state.core).context;
      expect(Object.keys(sessions)).toHaveLength(64);
      expect(Object.hasOwn(sessions, 's0')).toBe(false);
      expect(Object.hasOwn(sessions, 'new')).toBe(true);
    }
  });
});

describe('the priorities of several clients', () => {
  const phone = (show: Show, availability: string, priority: number) => [
    ...online,
    loggedIn('available>available', 's2', 'phone'),
    presence(show, availability, 's2', 'phone', priority),
  ];

  it('one with a negative priority is not there, whatever it shows', () => {
    operator()
      .given([registered(), loggedIn()])
      .when(changePresence('available', 's1', 'gajim', -1))
      .then([presence('available', 'offline>offline', 's1', 'gajim', -1)]);
    operator()
      .given(online)
      .when(changePresence('available', 's1', 'gajim', -1))
      .then([presence('available', 'available>offline', 's1', 'gajim', -1)]);
    // A bot makes nobody available.
    operator()
      .given(phone('available', 'available>available', -1))
      .when(changePresence('dnd'))
      .then([presence('dnd', 'available>busy')]);
    operator()
      .given(phone('available', 'available>available', -1))
      .when(closeSession())
      .then([loggedOut('available>offline')]);
  });

  it('the client with the highest one counts alone, because ejabberd routes the messages to it', () => {
    operator()
      .given(phone('available', 'available>available', 5))
      .when(changePresence('dnd'))
      .then([presence('dnd', 'available>available')]);
    operator()
      .given(online)
      .given([loggedIn('available>available', 's2', 'phone')])
      .when(changePresence('away', 's2', 'phone', 5))
      .then([presence('away', 'available>away', 's2', 'phone', 5)]);
    operator()
      .given(phone('away', 'available>away', 5))
      .when(closeSession('s2'))
      .then([loggedOut('away>available', 's2', 'phone')]);
  });

  it('a change of the priority alone is a change, and is stored if it is not 0', () => {
    operator()
      .given(online)
      .when(changePresence('available', 's1', 'gajim', 7))
      .then([presence('available', 'available>available', 's1', 'gajim', 7)]);
    const raised = [...online, presence('available', 'available>available', 's1', 'gajim', 7)];
    operator()
      .given(raised)
      .when(changePresence('available', 's1', 'gajim', 7))
      .then([]);
    operator()
      .given(raised)
      .when(changePresence('available'))
      .then([presence('available', 'available>available')]);
  });

  it('a client that gets the messages and answers no pings is not made up for by another', () => {
    operator()
      .given(phone('available', 'available>available', 5))
      .when({ type: 'ReportPing', resource: 'phone', answered: false })
      .then([responds(false, 'available>away', 'phone')]);
    operator()
      .given(phone('available', 'available>available', 5))
      .when({ type: 'ReportPing', resource: 'gajim', answered: false })
      .then([responds(false, 'available>available')]);
    operator()
      .given(phone('available', 'available>available', 0))
      .when({ type: 'ReportPing', resource: 'phone', answered: false })
      .then([responds(false, 'available>available', 'phone')]);
  });
});

describe('an unresponsive client', () => {
  const ping = (answered: boolean, resource = 'gajim') =>
    ({ type: 'ReportPing', resource, answered }) as const;
  const silent = responds(false, 'available>away');

  it('loses no chat: only a session that ends takes chats away', () => {
    const chatting = [...online, reserved(), taken(), silent];
    operator()
      .given(chatting)
      .when({ type: 'Wake' }, 24 * HOUR)
      .then([]);
    const ended = operator().given([...chatting, loggedOut('away>offline')]);
    ended.when({ type: 'Wake' }, OWNER_GRACE).then([gone('c1')]);
  });

  it('gets no chats until it answers or sends a presence', () => {
    operator().given(free).when(ping(false)).then([silent]);
    operator()
      .given([...free, silent])
      .when(ping(false))
      .then([]);
    operator()
      .given([...free, silent])
      .when(reserve())
      .refused(/is away/);
    operator()
      .given([...free, silent])
      .when(ping(true))
      .then([responds(true, 'away>available')]);
    operator()
      .given([...free, silent])
      .when(changePresence('available'))
      .then([presence('available', 'away>available')]);
    operator().given(free).when(ping(false, 'unknown')).then([]);
  });
});

describe("comparing sessions with ejabberd's list", () => {
  const there = (resource: string, show: Show = 'available', priority = 0) => ({
    resource,
    show,
    status: '',
    priority,
  });
  const stoodIn = [
    loggedIn('offline>offline', 'resource:gajim'),
    presence('available', 'offline>available', 'resource:gajim'),
  ];

  it('changes nothing if both agree', () => {
    operator()
      .given(online)
      .when(compare([there('gajim')]))
      .then([]);
    operator().when(compare([])).then([]);
  });

  it('closes sessions that ended without a report', () => {
    operator()
      .given(online)
      .when(compare([]))
      .then([loggedOut('available>offline')]);
  });

  it('opens an unknown session as a stand-in; the real session takes over its presence', () => {
    operator()
      .given([registered()])
      .when(compare([there('gajim')]))
      .then(stoodIn);
    operator()
      .given([registered(), ...stoodIn])
      .when(compare([there('gajim')]))
      .then([]);
    for (const command of [openSession(), changePresence('available')]) {
      const actor = new MemoryStream(operatorDecider);
      actor.send(register(), 0);
      actor.send(compare([there('gajim')]), 0);
      actor.send(command, 0);
      expect(operatorState(actor.state.core)).toMatchObject({
        availability: 'available',
        context: { sessions: { s1: { show: 'available' } } },
      });
      actor.send(closeSession(), 0);
      expect(operatorState(actor.state.core)).toMatchObject({
        availability: 'offline',
        context: { sessions: {} },
      });
    }
  });

  it('voids ids that ended in a restart, without a gap in the availability', () => {
    operator()
      .given(online)
      .when(compare([there('gajim')], ['s1']))
      .then([
        loggedIn('available>available', 'resource:gajim'),
        presence('available', 'available>available', 'resource:gajim'),
        loggedOut('available>available'),
      ]);
  });

  it('keeps the id that was reported since the restart, and of two the last one', () => {
    const resumed = [...online, loggedIn('available>available', 's2')];
    for (const ended of [['s1'], []]) {
      operator()
        .given([...resumed, presence('available', 'available>available', 's2')])
        .when(compare([there('gajim')], ended))
        .then([loggedOut('available>available')]);
    }
  });

  it('is refused if the operator has changed since ejabberd was asked', () => {
    const outdated = { ...compare([]), seenRevision: 1 } as ReturnType<typeof compare>;
    expect(() => operator().given(online).when(outdated).asked()).toThrow(
      expect.objectContaining({ code: 'conflict' }),
    );
  });

  it('takes over a presence that has changed', () => {
    operator()
      .given(online)
      .when(compare([there('gajim', 'dnd')]))
      .then([presence('dnd', 'available>busy')]);
    operator()
      .given(online)
      .when(compare([there('gajim', 'available', -1)]))
      .then([presence('available', 'available>offline', 's1', 'gajim', -1)]);
  });

  it('a stand-in passes its priority on to the real session', () => {
    const actor = new MemoryStream(operatorDecider);
    actor.send(register(), 0);
    actor.send(compare([there('gajim', 'available', 5)]), 0);
    actor.send(openSession(), 0);
    expect(operatorState(actor.state.core).context.sessions).toMatchObject({
      s1: { show: 'available', priority: 5 },
    });
  });
});

describe('chats', () => {
  it('are reserved, then confirmed, then released', () => {
    operator().given(free).when(reserve()).then([reserved()]);
    operator()
      .given([...free, reserved()])
      .when(reserve())
      .then([]);
    operator()
      .given([...free, reserved()])
      .when(take())
      .then([taken()]);
    operator()
      .given([...free, reserved(), taken()])
      .when(take())
      .then([]);
    operator()
      .given([...free, reserved(), taken()])
      .when(release())
      .then([released()]);
    operator()
      .given([...free, reserved(), taken(), released()])
      .when(release())
      .then([]);
  });

  it('are reserved only for an available operator', () => {
    operator()
      .given([registered()])
      .when(reserve())
      .refused(/is offline/);
    operator()
      .given([...free, presence('dnd', 'available>busy')])
      .when(reserve())
      .refused(/is busy/);
  });

  it('never exceed the capacity, reserved and open ones together', () => {
    const full = [...free, reserved('r1', 'c1'), taken('r1', 'c1'), reserved('r2', 'c2')];
    operator()
      .given(full)
      .when(reserve('r3', 'c3'))
      .refused(/no free place \(2 of 2 chats\)/);
    operator()
      .given([...full, released('r2', 'c2')])
      .when(reserve('r3', 'c3'))
      .then([reserved('r3', 'c3')]);
  });

  it('never exceed the capacity of their department', () => {
    const one = [...free, reserved('r1', 'c1', 'sales')];
    operator()
      .given(one)
      .when(reserve('r2', 'c2', 'sales', 1))
      .refused(/no free place for sales \(1 of 1 chats\)/);
    operator()
      .given(one)
      .when(reserve('r2', 'c2', 'sales', 2))
      .then([reserved('r2', 'c2', 'sales')]);
    operator()
      .given(one)
      .when(reserve('r2', 'c2', 'billing', 1))
      .then([reserved('r2', 'c2', 'billing')]);
    operator()
      .given([...one, released('r1', 'c1')])
      .when(reserve('r2', 'c2', 'sales', 1))
      .then([reserved('r2', 'c2', 'sales')]);
  });

  it('are reserved only once', () => {
    operator()
      .given([...free, reserved()])
      .when(reserve('r2'))
      .refused(/already has this chat/);
    operator()
      .given([...free, taken(null)])
      .when(reserve('r2'))
      .refused(/already has this chat/);
  });

  it('may exceed the capacity if the operator answered without an offer, or LHC assigned them', () => {
    const full = [...free, reserved('r1', 'c1'), reserved('r2', 'c2')];
    operator()
      .given(full)
      .when(take(null, 'c3'))
      .then([taken(null, 'c3')]);
    operator()
      .given(full)
      .when(take(null, 'c1'))
      .then([taken(null, 'c1')]);
    operator()
      .given(free)
      .when(take(null))
      .then([taken(null)]);
  });

  it('are not confirmed by a released reservation, because nobody would release the place again', () => {
    operator()
      .given(free)
      .when(take())
      .refused(/no longer has this reservation/);
    operator()
      .given([...free, reserved(), taken(), released()])
      .when(take())
      .refused(/no longer has this reservation/);
    operator()
      .given([...free, reserved('r2')])
      .when(take('r1'))
      .refused(/no longer has this reservation/);
  });

  it('are not released by an earlier reservation', () => {
    operator()
      .given([...free, reserved('r2')])
      .when(release('r1'))
      .then([]);
    operator()
      .given([...free, reserved('r1'), taken(null)])
      .when(release('r1'))
      .then([]);
  });

  it('stay while the operator is away', () => {
    operator()
      .given([...free, reserved(), loggedOut('available>offline')])
      .when(take())
      .then([taken()]);
  });
});

it('a refused message is a fact with the reason', () => {
  const refusal = { visitor: visitorKey('v1'), messageId: 'o1', reason: 'this visitor has left' };
  operator()
    .given(free)
    .when({ type: 'RefuseMessage', ...refusal })
    .then([{ type: 'MessageRefused', data: refusal }]);
});
