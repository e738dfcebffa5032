import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  OPENING_LOOK_MS,
  OPENING_PAUSE_LEAST_MS,
  OPENING_PAUSE_MOST_MS,
} from '../../../src/reactors/conversation/pauses.ts';
import { startChat } from '../../actors/facts.ts';
import { tenantId, username, visitorKey } from '../../support/names.ts';
import { type MessageLane, openMessageLane } from './lane.ts';

const TIMES = { leastMs: OPENING_PAUSE_LEAST_MS, mostMs: OPENING_PAUSE_MOST_MS };
const waiting = (lookMs: number) => ({
  kind: 'parked',
  reason: 'the client opens the conversation',
  lookMs,
});
const done = { kind: 'done' };

let lane: MessageLane;
beforeEach(async () => {
  lane = await openMessageLane({}, TIMES);
});
afterEach(() => lane.rig.close());

const passes = (ms: number) => lane.rig.clock.passes(ms);
/** mod_lhc reports that the operator's client has a line of the service. */
const arrived = (operator: string, id: string) =>
  lane.messages().arrived(tenantId('acme'), visitorKey('1'), username(operator), [id]);
/** A chat whose first message carried the opening to olga. */
const opened = async () => {
  await lane.rig.toVisitor('1', startChat('c1', 'm1'));
  await lane.assign('olga');
  expect(await lane.run()).toEqual(done);
  expect(lane.sent('olga')).toEqual(['m1']);
};

describe('a message right behind an opening', () => {
  it('waits until the client has the opening, and a second at least', async () => {
    await opened();
    passes(20);
    await lane.say('m2');
    expect(await lane.run()).toEqual(waiting(OPENING_PAUSE_LEAST_MS - 20));
    await lane.delivered('olga', 'm1');
    expect(await lane.run()).toEqual(waiting(OPENING_PAUSE_LEAST_MS - 20));
    passes(OPENING_PAUSE_LEAST_MS - 20);
    expect(await lane.run()).toEqual(done);
    expect(lane.sent('olga')).toEqual(['m1', 'm2']);
    await lane.say('m3');
    expect(await lane.run()).toEqual(done); // the pause is over
    expect(lane.sent('olga')).toEqual(['m1', 'm2', 'm3']);
  });

  it('waits no longer than a deadline for a client that reports nothing', async () => {
    await opened();
    await lane.say('m2');
    passes(OPENING_PAUSE_LEAST_MS);
    expect(await lane.run()).toEqual(waiting(OPENING_LOOK_MS));
    passes(OPENING_PAUSE_MOST_MS - OPENING_PAUSE_LEAST_MS - 1);
    expect(await lane.run()).toEqual(waiting(1));
    passes(1);
    expect(await lane.run()).toEqual(done);
    expect(lane.sent('olga')).toEqual(['m1', 'm2']);
  });

  it('waits for an opening that is a line of the service, as mod_lhc reports it', async () => {
    await lane.rig.toVisitor('1', startChat('c1'));
    await lane.assign('olga');
    await lane.run();
    const [id = ''] = lane.sent('olga');
    await lane.say('m1');
    passes(OPENING_PAUSE_LEAST_MS);
    expect(await lane.run()).toEqual(waiting(OPENING_LOOK_MS));
    arrived('pia', id);
    arrived('olga', 'something-else');
    expect(await lane.run()).toEqual(waiting(OPENING_LOOK_MS));
    arrived('olga', id);
    expect(await lane.run()).toEqual(done);
    expect(lane.sent('olga')).toEqual([id, 'm1']);
  });

  it('does not wait for an operator who has answered', async () => {
    await opened();
    await lane.answer('olga', 'o1');
    await lane.say('m2');
    expect(await lane.run()).toEqual(done);
    expect(lane.sent('olga')).toEqual(['m1', 'm2']);
  });

  it('does not wait after a crash, and arrives once', async () => {
    await opened();
    await lane.say('m2');
    expect(await lane.run()).toMatchObject({ kind: 'parked' });
    lane.crash();
    expect(await lane.run()).toEqual(done);
    expect(lane.sent('olga')).toEqual(['m1', 'm2']);
  });

  it('does not wait for a clock that was set back', async () => {
    await opened();
    await lane.say('m2');
    passes(-60_000);
    expect(await lane.run()).toEqual(done);
  });
});

it('a message that nobody received follows the opening of its next owner after the pause', async () => {
  await opened();
  await lane.transfer('olga', { operator: 'pia' });
  expect(await lane.run()).toEqual(waiting(OPENING_PAUSE_LEAST_MS));
  const [id = ''] = lane.sent('pia');
  expect(lane.sent('pia')).toEqual([id]);
  arrived('pia', id);
  passes(OPENING_PAUSE_LEAST_MS);
  expect(await lane.run()).toEqual(done);
  expect(lane.sent('pia')).toEqual([id, 'm1']);
  expect(lane.texts('olga').at(-1)).toBe('Chat #c1 goes to pia.');
});

it('who takes a chat that somebody else has not answered reads the opening first, and all in order', async () => {
  await opened();
  await lane.say('m2');
  expect(await lane.run()).toEqual(waiting(OPENING_PAUSE_LEAST_MS));
  await lane.say('m3');
  await lane.rig.toVisitor('1', { type: 'AcceptChat', operator: username('pia') });
  expect(await lane.run()).toEqual(done);
  expect(lane.texts('pia')).toEqual(['Hello', 'm2', 'm3', 'Chat #c1 is yours.']);
  expect(lane.lines('pia')[0]).toMatch(/^New chat #c1 for sales\./);
});

it('a new session of the visitor sends nothing before the opening of the next owner, nor in its pause', async () => {
  await opened();
  await lane.unassign('olga', 'offline');
  await lane.assign('pia');
  // The visitor logs in anew, as after a crash of ejabberd, before the lane has come to the next owner.
  await lane.resent();
  expect(lane.sent('pia')).toEqual([]);
  expect(await lane.run()).toEqual(waiting(OPENING_PAUSE_LEAST_MS));
  const [id = ''] = lane.sent('pia');
  await lane.resent();
  expect(lane.sent('pia')).toEqual([id]);
  lane.restart(); // what the opening left is not in memory any more
  await lane.resent();
  expect(lane.sent('pia')).toEqual([id]);
  expect(await lane.run()).toEqual(waiting(OPENING_PAUSE_LEAST_MS));
  passes(OPENING_PAUSE_MOST_MS);
  expect(await lane.run()).toEqual(done);
  expect(lane.read('pia').map((message) => message.id)).toEqual([id, 'm1']);
  // The opening is out: now a lost session may have lost the message.
  for (const memory of ['kept', 'lost']) {
    lane.forget();
    if (memory === 'lost') lane.restart();
    await lane.resent();
    expect(lane.sent('pia')).toEqual(['m1']);
  }
});

it('a notice waits too', async () => {
  await opened();
  await lane.rig.toVisitor('1', { type: 'CloseChat', chatId: 'c1', by: 'visitor', reason: null });
  expect(await lane.run()).toEqual(waiting(OPENING_PAUSE_LEAST_MS));
  passes(OPENING_PAUSE_MOST_MS);
  expect(await lane.run()).toEqual(done);
  expect(lane.texts('olga')).toEqual(['Hello', 'The visitor closed chat #c1.']);
});

it('who has the chat does not wait for the clients of others, who read that it is gone', async () => {
  await lane.rig.toVisitor('1', startChat('c1', 'm1'));
  await lane.offer('olga', 'pia');
  await lane.run();
  await lane.answer('pia', 'o1');
  await lane.say('m2');
  expect(await lane.run()).toEqual(done);
  expect(lane.texts('olga')).toEqual(['Hello', 'pia has taken chat #c1.']);
  expect(lane.texts('pia')).toEqual(['Hello', 'm2']);
});

it('each operator of a broadcast gets an opening at once, and the other messages behind it', async () => {
  await lane.rig.toVisitor('1', startChat('c1', 'm1'));
  await lane.say('m2');
  await lane.say('m3');
  await lane.offer('olga', 'pia');
  expect(await lane.run()).toEqual(waiting(OPENING_PAUSE_LEAST_MS));
  expect([lane.sent('olga'), lane.sent('pia')]).toEqual([['m1'], ['m1']]);
  passes(500);
  await lane.offer('quin');
  expect(await lane.run()).toEqual(waiting(OPENING_PAUSE_LEAST_MS));
  expect(lane.sent('quin')).toEqual(['m1']);
  passes(OPENING_PAUSE_MOST_MS - 500);
  expect(await lane.run()).toMatchObject({ kind: 'parked' });
  expect(lane.sent('olga')).toEqual(['m1', 'm2', 'm3']);
  expect(lane.sent('pia')).toEqual(['m1', 'm2', 'm3']);
  expect(lane.sent('quin')).toEqual(['m1']);
  passes(500);
  expect(await lane.run()).toEqual({ kind: 'parked', reason: 'no operator has the chat' });
  expect(lane.sent('quin')).toEqual(['m1', 'm2', 'm3']);
});
