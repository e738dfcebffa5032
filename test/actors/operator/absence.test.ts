/** `!away`, and operators who go offline with open chats. */
import { describe, expect, it } from 'vitest';
import { operatorDecider, operatorState } from '../../../src/actors/operator/decisions.ts';
import {
  availabilitySet,
  changePresence,
  closeSession,
  gone,
  HOUR,
  loggedIn,
  loggedOut,
  OWNER_GRACE,
  presence,
  registered,
  released,
  reserve,
  reserved,
  SECOND,
  setAvailability,
  taken,
} from '../facts.ts';
import { scenario } from '../scenario.ts';

const operator = () => scenario(operatorDecider);
const WAKE = { type: 'Wake' } as const;
/** The grace of an operator who has had no chat yet. */
const FIRST_GRACE = 60 * SECOND;
const free = [registered(2), loggedIn(), presence('available', 'offline>available')];
const leaves = loggedOut('available>offline');

describe('an operator who wrote !away', () => {
  const away = [...free, availabilitySet(true, 'available>away')];

  it('gets no chats until !back, whatever the client shows', () => {
    operator()
      .given(free)
      .when(setAvailability(true))
      .then([availabilitySet(true, 'available>away')]);
    operator()
      .given(away)
      .when(reserve())
      .refused(/is away/);
    operator()
      .given([...away, presence('chat', 'away>away')])
      .when(reserve())
      .refused(/is away/);
    operator()
      .given(away)
      .when(setAvailability(false))
      .then([availabilitySet(false, 'away>available')]);
    operator()
      .given([...away, availabilitySet(false, 'away>available')])
      .when(reserve())
      .then([reserved()]);
  });

  it('gets an answer also if nothing changes', () => {
    operator()
      .given(free)
      .when(setAvailability(false))
      .then([availabilitySet(false, 'available>available')]);
    operator()
      .given(away)
      .when(setAvailability(true))
      .then([availabilitySet(true, 'away>away')]);
  });

  it('is busy or offline if their clients say so', () => {
    operator()
      .given(away)
      .when(changePresence('dnd'))
      .then([presence('dnd', 'away>busy')]);
    operator()
      .given(away)
      .when(closeSession())
      .then([loggedOut('away>offline')]);
  });

  it('is still away after a new connection within the grace, and not after it', () => {
    const soon = operator().given([...away, loggedOut('away>offline'), loggedIn()]);
    soon.when(changePresence('available')).then([presence('available', 'offline>away')]);
    const late = operator()
      .given(away, 0)
      .given([loggedOut('away>offline')], SECOND);
    late.wakesAt(SECOND + FIRST_GRACE);
    late.when(WAKE, SECOND + FIRST_GRACE).then([gone()]);
    late.given([gone(), loggedIn()], HOUR);
    late.when(changePresence('available')).then([presence('available', 'offline>available')]);
  });

  it('may write it while offline; it also ends with the grace', () => {
    const offline = operator().given([...free, leaves], 0);
    offline.when(WAKE, FIRST_GRACE).then([]); // nothing to lose: the timer has no effect
    offline.given([availabilitySet(true, 'offline>offline')], HOUR);
    offline.wakesAt(HOUR + FIRST_GRACE);
    offline.when(WAKE, HOUR + FIRST_GRACE).then([gone()]);
  });
});

describe('an operator who goes offline', () => {
  const busy = [...free, reserved(), taken()];

  it('has the grace of the last chat to come back; then the chats go to other operators', () => {
    const left = operator().given(busy, 0).given([leaves], SECOND);
    left.wakesAt(SECOND + OWNER_GRACE);
    left.when(WAKE, OWNER_GRACE).then([]);
    left.when(WAKE, SECOND + OWNER_GRACE).then([gone('c1')]);
  });

  it('causes OperatorGone once, however late and however often the timer is due', () => {
    const left = operator()
      .given([...busy, leaves], 0)
      .given([gone('c1')], OWNER_GRACE);
    left.when(WAKE, OWNER_GRACE).then([]);
    left.when(WAKE, HOUR).then([]);
    expect(operatorState(left.state().core).context.gone).toBe(true);
  });

  it.each([
    ['available', 'available'],
    ['away', 'away'],
    ['dnd', 'busy'],
  ] as const)('keeps the chats if back in time with presence %s', (show, availability) => {
    operator()
      .given([...busy, leaves], 0)
      .given([loggedIn(), presence(show, `offline>${availability}`)], SECOND)
      .wakesAt(undefined)
      .when(WAKE, HOUR)
      .then([]);
  });

  it('has the whole grace again the next time', () => {
    const back = operator()
      .given([...busy, leaves], 0)
      .given([gone('c1')], OWNER_GRACE)
      .given([loggedIn(), presence('available', 'offline>available')], HOUR);
    expect(operatorState(back.state().core).context.gone).toBe(false);
    back.given([leaves], 2 * HOUR).wakesAt(2 * HOUR + OWNER_GRACE);
    back.when(WAKE, 2 * HOUR + OWNER_GRACE).then([gone('c1')]);
  });

  it('causes no OperatorGone without chats', () => {
    operator()
      .given([...free, leaves], 0)
      .when(WAKE, HOUR)
      .then([]);
    operator()
      .given([...busy, leaves, released()], 0)
      .when(WAKE, HOUR)
      .then([]);
  });

  it('has the whole grace for a chat that arrives while they are offline or gone', () => {
    const offline = operator().given([...free, leaves], 0);
    offline.given([taken(null)], HOUR); // the timer had no effect long ago
    offline.wakesAt(HOUR + OWNER_GRACE);
    offline.when(WAKE, HOUR + OWNER_GRACE).then([gone('c1')]);
    const left = operator()
      .given([...busy, leaves], 0)
      .given([gone('c1')], OWNER_GRACE)
      .given([taken(null, 'c2')], HOUR);
    expect(operatorState(left.state().core).context.gone).toBe(false);
    left.when(WAKE, HOUR + OWNER_GRACE).then([gone('c1', 'c2')]);
  });

  it('names the first 100 chats in the fact', () => {
    const many = Array.from({ length: 120 }, (_, i) => taken(null, `c${i}`));
    const left = operator().given([...free, ...many, leaves], 0);
    const [fact] = left.when(WAKE, OWNER_GRACE).asked().facts;
    expect(fact?.data.chats).toHaveLength(100);
  });
});
