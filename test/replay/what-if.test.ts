/** Branches in memory, and the effects that would follow. */
import { describe, expect, it } from 'vitest';
import { HISTORY_MOST_MS } from '../../src/actors/visitor/history.ts';
import { faultsOf } from '../../src/replay/what-if.ts';
import {
  addNote,
  DELAYS,
  HOUR,
  receive,
  SECOND,
  sendMessage,
  startChat,
  viewPage,
} from '../actors/facts.ts';
import { type Action, asks, branch } from './branches.ts';

describe('a branch', () => {
  it('has the facts of commands, from any revision', async () => {
    const { base, items } = await branch({ revision: 3 }, [
      asks(receive('op1', 'o7')),
      asks(startChat('c2')),
      asks(sendMessage('m5')),
    ]);
    expect(base).toMatchObject({ revision: 3, state: { value: { conversation: 'waiting' } } });
    expect(items.map(({ steps }) => steps.map(({ event }) => event.type))).toEqual([
      ['ChatAccepted', 'OperatorMessageReceived'],
      [],
      ['VisitorMessageSent'],
    ]);
    expect(items[1]?.refused).toEqual({
      code: 'refused',
      reason: 'chat c1 is open; close it first',
    });
    expect(items[0]?.steps[0]).toMatchObject({
      revision: 4,
      state: { value: { conversation: 'chatting' } },
      unfit: null,
    });
    expect(items[2]?.steps[0]?.event).toMatchObject({ revision: 6, personal: { body: 'Hello' } });
  });

  it('lets time pass: each timer fires when it is due, one after the other', async () => {
    const { items } = await branch({ revision: 0 }, [
      { wait: DELAYS.hardTimeout - SECOND },
      { wait: SECOND },
      { wait: DELAYS.cleanupAfter },
    ]);
    expect(items.map(({ steps }) => steps.map(({ event }) => event.type))).toEqual([
      [],
      ['TimedOut'],
      ['CleanedUp'],
    ]);
    const at = Date.UTC(2026, 0, 1);
    expect(items[1]?.steps[0]?.event.metadata.at).toBe(at + DELAYS.hardTimeout);
    const all = await branch({ revision: 0 }, [{ wait: 100 * 24 * HOUR }]);
    expect(all.items[0]?.steps.map(({ event }) => event.type)).toEqual(['TimedOut', 'CleanedUp']);
  });

  it('takes facts that fit, and says why others do not', async () => {
    const { items } = await branch(
      { revision: 1 },
      [
        { fact: { type: 'ChatAccepted', data: { chatId: 'c1', operator: 'op1' } } },
        { fact: { type: 'VisitorArrived', data: { digest: 'x' } } } as Action,
      ].slice(0, 1),
    );
    expect(items[0]?.steps[0]?.state.value).toMatchObject({ conversation: 'chatting' });
    const other = await branch({ revision: 0 }, [
      { fact: { type: 'ChatAccepted', data: { chatId: 'c1', operator: 'op1' } } },
    ]);
    expect(other.items[0]).toMatchObject({ refused: { code: 'unfit' }, steps: [] });
  });

  it('begins at a time, too', async () => {
    const time = Date.UTC(2026, 0, 1) + 1_500;
    const { base, items } = await branch({ time }, [asks(sendMessage('m9'))]);
    expect(base.revision).toBe(1);
    expect(items[0]?.steps[0]?.event.metadata.at).toBe(time);
  });

  it('says which effects would follow', async () => {
    const effects = async (revision: number, ...actions: Action[]) =>
      (await branch({ revision }, actions)).items.flatMap((item) =>
        item.effects.map(({ destination, name, detail }) => `${destination} ${name} ${detail}`),
      );
    expect(await effects(3, asks(receive('op1', 'o7')))).toEqual([
      'presence status null',
      'lhc chat.accepted null',
      'lhc chat.message null',
    ]);
    expect(await effects(0, { wait: DELAYS.hardTimeout })).toEqual([
      'presence hidden null',
      'lhc visitor.timed_out null',
    ]);
    // A page view ends a history that is too long, and nobody outside hears of that.
    const patient = { ...DELAYS, hardTimeout: 2 * HISTORY_MOST_MS };
    const ended = await effects(
      0,
      asks(viewPage('a', patient)),
      { wait: HISTORY_MOST_MS },
      asks(viewPage('b', patient)),
    );
    expect(ended).toEqual(['presence status null', 'presence shown null']);
    expect(await effects(0, asks(startChat('c1', 'm1')))).toEqual([
      'presence status null',
      'routing search chat c1',
      'xmpp message waits for an operator',
    ]);
    expect(await effects(5, asks(sendMessage('m2')), asks(addNote()))).toEqual([
      'xmpp message to @op1',
      'xmpp line to @op1: Your note is in chat #c1. The visitor does not see the note.',
      'lhc chat.note null',
    ]);
  });

  it('is possible for operators and tenants', async () => {
    const { items } = await branch({ revision: 3 }, [asks({ type: 'Remove' })], 'operator-acme.op');
    expect(items[0]?.steps[0]?.event.type).toBe('OperatorRemoved');
    expect(items[0]?.effects[0]).toMatchObject({ name: 'account removed' });
    const tenant = await branch(
      { revision: 0 },
      [asks({ type: 'PauseCallbacks', endpoint: 'e' })],
      'tenant-acme',
    );
    expect(tenant.items[0]?.steps[0]?.state.value).toBe('paused');
  });
});

it('names the field of a command or a fact that is not of its schema', () => {
  const faults = faultsOf('visitor', [
    { wait: 1 },
    asks({ type: 'SendMessage', messageId: 5, chatId: null, body: '' }),
    asks({ type: 'toString' }),
    { fact: { type: 'LoggedOut', data: { reason: 'x', colour: 'red' } } },
    { fact: { type: 'Wake', data: {} } },
    {
      fact: {
        type: 'NoteAdded',
        data: { chatId: 'c', operator: 'o', noteId: 'n' },
        personal: { body: 1 },
      },
    },
  ]);
  expect(faults.map(({ path }) => path.join('.'))).toEqual([
    '1.command.messageId',
    '2.command.type',
    '3.fact.data',
    '4.fact.type',
    '5.fact.personal.body',
  ]);
});
