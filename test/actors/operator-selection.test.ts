/** The choice of operators for a chat. */
import { describe, expect, it } from 'vitest';
import type { Candidate, ChatCriteria, Rule } from '../../src/actors/operator-selection.ts';
import { username } from '../support/names.ts';
import { criteria, op, RULE, selectAmong } from './candidates.ts';

const given = (...candidates: Candidate[]) => ({
  when: (chat: Partial<ChatCriteria> = {}, rule: Partial<Rule> = {}) => {
    const pick = () => selectAmong(candidates, criteria(chat), { ...RULE, ...rule });
    return {
      asks: (...operators: string[]) => expect(pick()?.operators ?? []).toEqual(operators),
      because: (reason: string) => expect(pick()?.reason).toBe(reason),
      again: (again: boolean) => expect(pick()?.again).toBe(again),
      pick,
    };
  },
});

describe('a candidate', () => {
  it('is registered, available and has a free place', () => {
    given(
      op('removed', { registered: false }),
      op('away', { availability: 'away' }),
      op('busy', { availability: 'busy' }),
      op('offline', { availability: 'offline' }),
      op('full', { load: 5 }),
      op('zoe', { load: 4 }),
    )
      .when()
      .asks('zoe');
  });

  it('does not exist if nobody is free', () => {
    given(op('ada', { load: 5 }))
      .when()
      .asks();
    given().when().asks();
  });

  it('serves the department, or all departments', () => {
    const billing = op('ada', { departments: ['billing'] });
    given(billing).when().asks();
    given(billing, op('bob', { departments: ['sales', 'support'], load: 3 }))
      .when()
      .asks('bob');
    given(billing, op('cleo', { load: 3 }))
      .when()
      .asks('cleo');
    given(billing).when({ department: null }).asks('ada');
  });

  it('has fewer chats of the department than its capacity', () => {
    const ada = op('ada', { load: 2, loadOf: { sales: 2 } });
    given(ada, op('bob', { load: 4, loadOf: { sales: 1, billing: 3 } }))
      .when({}, { departmentCapacity: 2 })
      .asks('bob');
    given(ada).when({}, { departmentCapacity: 3 }).asks('ada');
    given(ada).when({ department: null }, { departmentCapacity: 1 }).asks('ada');
    // The capacity of the department also binds operators with a history.
    given(ada)
      .when({ invitedBy: username('ada') }, { departmentCapacity: 2 })
      .asks();
  });
});

describe('an operator with a history', () => {
  const all = [
    op('ada'),
    op('inviter', { load: 3, departments: ['billing'] }),
    op('last', { load: 3, departments: ['billing'] }),
    op('giver', { load: 3, departments: ['billing'] }),
  ];
  const past = {
    invitedBy: username('inviter'),
    lastOperator: username('last'),
    transferredBy: username('giver'),
  };

  const here = all.map((each) =>
    each.username === username('last') ? { ...each, departments: ['sales'] } : each,
  );

  it('comes first: by transfer, then by invitation, then by the last answer', () => {
    given(...all)
      .when(past)
      .because('handed-back');
    given(...all)
      .when(past)
      .asks('giver');
    given(...all)
      .when({ ...past, transferredBy: null })
      .because('invited');
    given(...here)
      .when({ lastOperator: username('last') })
      .because('last-served');
    given(...here)
      .when({ lastOperator: username('last') }, { policy: 'broadcast' })
      .asks('last');
  });

  it('has no claim to a chat of another department if they answered an earlier chat', () => {
    const last = { lastOperator: username('last') };
    for (const policy of ['least-loaded', 'broadcast'] as const) {
      given(...all)
        .when(last, { policy })
        .asks('ada');
    }
    given(...all)
      .when(last)
      .because('least-loaded');
    given(...all.slice(1))
      .when(last)
      .asks(); // the chat waits for its department
    given(...all)
      .when({ ...last, department: null })
      .because('last-served');
    given(op('ada'), op('last', { load: 3, departments: [] }))
      .when(last)
      .because('last-served');
  });

  it('keeps a chat in which they answered, whatever the department', () => {
    given(...all)
      .when({ lastOperator: username('last'), answered: true })
      .because('last-served');
  });

  it('is skipped if not available', () => {
    const offline = op('giver', { availability: 'offline' });
    const full = op('inviter', { load: 5 });
    given(op('ada'), offline, full, op('last')).when(past).asks('last');
    given(op('ada'), offline, full).when(past).because('least-loaded');
  });

  it('is not asked again after passing', () => {
    given(...all)
      .when({ ...past, passedBy: [username('giver'), username('inviter')], answered: true })
      .asks('last');
  });

  it('does not interrupt an open broadcast', () => {
    given(op('ada'), op('last'))
      .when(
        { lastOperator: username('last'), offeredTo: [username('bob')] },
        { policy: 'broadcast' },
      )
      .asks('ada', 'last');
  });
});

describe('an operator who passed', () => {
  it('is asked again only if nobody else is free', () => {
    const busy = op('bob', { availability: 'busy' });
    given(op('ada'), op('bob', { load: 4 }))
      .when({ passedBy: [username('ada')] })
      .asks('bob');
    given(op('ada'), busy)
      .when({ passedBy: [username('ada')] })
      .asks('ada');
    given(op('ada'), busy)
      .when({ passedBy: [username('ada')] })
      .again(true);
    given(op('ada'))
      .when({ passedBy: [username('bob')] })
      .again(false);
  });
});

describe('the policies', () => {
  const three = [
    op('ada', { load: 2, lastChatAt: 1 }),
    op('bob', { load: 1, lastChatAt: 9 }),
    op('cleo', { load: 1, lastChatAt: 5 }),
  ];

  it('least-loaded: fewest chats, then longest idle, then by name', () => {
    given(...three)
      .when()
      .asks('cleo');
    given(op('bob'), op('ada')).when().asks('ada');
  });

  it('round-robin: the next by name after the last one, who may be gone', () => {
    const behind = (last: string | null) =>
      given(...three).when(
        {},
        { policy: 'round-robin', lastPicked: last === null ? null : username(last) },
      );
    behind(null).asks('ada');
    behind('ada').asks('bob');
    behind('b-who-left').asks('bob');
    behind('cleo').asks('ada');
    behind('zoe').asks('ada');
  });

  it('random: by the given number', () => {
    const by = (random: number) => given(...three).when({}, { policy: 'random', random });
    by(0).asks('ada');
    by(0.34).asks('bob');
    by(0.999).asks('cleo');
  });

  it('broadcast: all who are free, then only those without an offer', () => {
    const rule = { policy: 'broadcast' as const };
    given(...three, op('full', { load: 5 }))
      .when({}, rule)
      .asks('ada', 'bob', 'cleo');
    given(...three)
      .when({ offeredTo: [username('ada'), username('cleo')] }, rule)
      .asks('bob');
    given(...three)
      .when({ offeredTo: [username('ada'), username('bob'), username('cleo')] }, rule)
      .asks();
    // An operator who declined is not asked again while other offers are open.
    given(...three)
      .when({ offeredTo: [username('ada'), username('cleo')], passedBy: [username('bob')] }, rule)
      .asks();
    given(...three)
      .when({ passedBy: [username('ada'), username('bob'), username('cleo')] }, rule)
      .asks('ada', 'bob', 'cleo');
  });

  it('broadcast: nobody who has as many open offers as free places', () => {
    const rule = { policy: 'broadcast' as const };
    const busy = op('busy', { load: 3, openOffers: 2 });
    given(...three, busy)
      .when({}, rule)
      .asks('ada', 'bob', 'cleo');
    given(op('ada', { load: 3, openOffers: 1 }), busy)
      .when({}, rule)
      .asks('ada');
    // Nobody else can be asked, so an operator who missed the offer is asked again.
    const missed = given(op('ada'), busy).when({ passedBy: [username('ada')] }, rule);
    missed.asks('ada');
    missed.again(true);
    given(op('ada', { load: 3, openOffers: 2 }), busy)
      .when({ passedBy: [username('ada')] }, rule)
      .asks();
    // Operators with a history get the chat. Other policies ignore open offers.
    given(op('ada'), busy)
      .when({ lastOperator: username('busy') }, rule)
      .asks('busy');
    given(busy).when({}, {}).asks('busy');
  });

  it('broadcast: at most 500 open offers', () => {
    const many = Array.from({ length: 600 }, (_, i) => op(`op${1000 + i}`));
    const rule = { policy: 'broadcast' as const };
    const first =
      given(...many)
        .when({}, rule)
        .pick()?.operators ?? [];
    expect(first).toHaveLength(500);
    given(...many)
      .when({ offeredTo: [...first] }, rule)
      .asks();
  });

  it('report the candidates: how many were free, and the first of them', () => {
    const many = Array.from({ length: 50 }, (_, i) => op(`op${10 + i}`, { load: i % 3 }));
    const { considered } =
      given(...many)
        .when()
        .pick() ?? {};
    expect(considered?.free).toBe(50);
    expect(considered?.first).toHaveLength(20);
    expect(considered?.first[0]).toEqual({ operator: 'op10', chats: 0, capacity: 5 });
  });
});
