/** What facts inherit from the request or the fact that they are caused by. */
import { pino } from 'pino';
import { afterEach, describe, expect, test } from 'vitest';
import type { RecordedEvent } from '../../src/eventstore/port.ts';
import {
  causedBy,
  currentScope,
  forRequest,
  traceOfLine,
  withoutCause,
} from '../../src/runtime/cause.ts';
import { createDeadlines, DEADLINES_TABLE } from '../../src/runtime/deadlines.ts';
import { soleOwner } from '../../src/runtime/leases/ownership.ts';
import { createServiceFacts } from '../../src/runtime/service-facts.ts';
import { register, sendMessage, startChat, viewPage } from '../actors/facts.ts';
import { newId, openRig, type Rig, silent } from '../support/rig.ts';
import { waitFor } from '../support/wait.ts';
import { lanesOn, lettersOf, place, speak } from './lanes/rig.ts';

const TRACEPARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
const TRACED = { correlationId: 'req-1', traceparent: TRACEPARENT, tracestate: 'a=1' };

const open: Rig[] = [];
afterEach(async () => {
  for (const rig of open.splice(0)) await rig.close();
});
async function rigWith(options: Parameters<typeof openRig>[0] = {}): Promise<Rig> {
  const rig = await openRig(options);
  open.push(rig);
  return rig;
}
const last = async (rig: Rig, stream: string): Promise<RecordedEvent> => {
  const [event] = await rig.store.readStream(stream, { direction: 'backwards', limit: 1 });
  if (!event) throw new Error(`${stream} has no facts`);
  return event;
};
const trace = ({ correlationId, traceparent, tracestate }: RecordedEvent['metadata']) => ({
  correlationId,
  ...(traceparent !== undefined && { traceparent }),
  ...(tracestate !== undefined && { tracestate }),
});

describe('a request', () => {
  test('is the cause of the facts of its commands, of keys too', async () => {
    const rig = await rigWith();
    const facts: unknown[] = [];
    await forRequest({ ...TRACED, onFact: (fact) => facts.push(fact) }, () =>
      rig.visitor('1').send(startChat('c1', 'm1'), { commandId: 'key:k1' }),
    );
    const events = await rig.facts('visitor-acme.1');
    expect(facts).toEqual(events.map(({ stream, revision }) => ({ stream, revision })));
    for (const { metadata } of events) {
      expect(trace(metadata)).toEqual(TRACED);
      expect(metadata.causationId).toBe('key:k1');
    }
    expect(trace((await last(rig, 'key-acme.1')).metadata)).toEqual(TRACED);
  });

  test('has no part in what another one does at the same time, nor in what outlives it', async () => {
    const rig = await rigWith();
    const send = (key: string) => rig.visitor(key).send(viewPage());
    await Promise.all([
      forRequest({ correlationId: 'req-1' }, () => send('1')),
      forRequest({ correlationId: 'req-2' }, () => send('1')),
      forRequest(TRACED, () => withoutCause(() => send('2'))),
      send('3'),
    ]);
    expect((await rig.facts('visitor-acme.1')).map(({ metadata }) => trace(metadata))).toEqual([
      { correlationId: 'req-1' },
    ]);
    for (const stream of ['visitor-acme.2', 'visitor-acme.3']) {
      const { metadata } = await last(rig, stream);
      expect(trace(metadata)).toEqual({ correlationId: metadata.commandId });
    }
  });

  test('has no part in what others do with its facts, though it waits for that', async () => {
    const rig = await rigWith();
    const scopes: unknown[] = [];
    const caughtUp = await rig.follow(
      [DEADLINES_TABLE],
      [{ onCommit: () => scopes.push(currentScope()) }],
    );
    await forRequest(TRACED, async () => {
      await rig.visitor('1').send(viewPage());
      await caughtUp();
    });
    expect(scopes.length).toBeGreaterThan(0);
    expect(scopes.filter((scope) => scope !== undefined)).toEqual([]);
  });

  test('with another correlation id than the origin names gives nothing', async () => {
    const rig = await rigWith();
    await forRequest(TRACED, () => rig.visitor('1').send(viewPage(), { correlationId: 'own' }));
    expect(trace((await last(rig, 'visitor-acme.1')).metadata)).toEqual({ correlationId: 'own' });
  });
});

describe('a fact', () => {
  test('is the cause of facts of other actors; by its place it is read', async () => {
    const rig = await rigWith();
    await forRequest(TRACED, () => rig.visitor('1').send(viewPage()));
    const cause = await last(rig, 'visitor-acme.1');
    const { stream, revision } = cause;
    await causedBy(cause, () => rig.visitor('2').send(viewPage()));
    await causedBy({ stream, revision }, () => rig.visitor('3').send(viewPage()));
    for (const key of ['2', '3']) {
      const { metadata } = await last(rig, `visitor-acme.${key}`);
      expect(trace(metadata)).toEqual(TRACED);
      expect(metadata.causationId).toBe(cause.id);
    }
  });

  test('that is gone, as its stream was cut, leaves the request', async () => {
    const rig = await rigWith();
    await forRequest(TRACED, () =>
      causedBy({ stream: 'visitor-acme.9', revision: 4 }, () => rig.visitor('1').send(viewPage())),
    );
    await speak(rig, '8', [0, 1, 2]);
    await rig.store.truncateBefore('visitor-acme.8', 2);
    await forRequest(TRACED, () =>
      causedBy({ stream: 'visitor-acme.8', revision: 1 }, () => rig.visitor('2').send(viewPage())),
    );
    expect(trace((await last(rig, 'visitor-acme.2')).metadata)).toEqual(TRACED);
    expect(trace((await last(rig, 'visitor-acme.1')).metadata)).toEqual(TRACED);
  });

  test('is the cause of the report about it, whoever reports', async () => {
    const rig = await rigWith();
    await forRequest(TRACED, () => rig.visitor('1').send(startChat('c1', 'm1')));
    const sent = (await rig.facts('visitor-acme.1')).find(
      ({ type }) => type === 'VisitorMessageSent',
    );
    await forRequest({ correlationId: 'req-2' }, () => rig.visitor('1').send(sendMessage('m2')));
    await forRequest({ correlationId: 'webhook:q:1' }, () =>
      rig.visitor('1').send({
        type: 'ReportMessageDelivered',
        messageIds: ['m1', 'm2'],
        by: 'op1@xmpp.test/x',
      }),
    );
    const { type, metadata } = await last(rig, 'visitor-acme.1');
    expect([type, metadata.causationId]).toEqual(['MessageDelivered', sent?.id]);
    expect(trace(metadata)).toEqual(TRACED);
  });

  test('that armed a timer is the cause of what the timer does', async () => {
    const rig = await rigWith();
    await forRequest(TRACED, () => rig.visitor('1').send(viewPage()));
    const armed = await last(rig, 'visitor-acme.1');
    // The outcome of an effect leaves the timer as it is.
    await rig.visitor('1').send({ type: 'ReportAccountReady' });
    const { workFile: db, host, now } = rig;
    const deadlines = createDeadlines({
      db,
      host,
      ownership: soleOwner,
      now,
      random: Math.random,
      logger: silent,
    });
    const caughtUp = await rig.follow([DEADLINES_TABLE], [deadlines]);
    await caughtUp();
    rig.clock.passes(300_000);
    deadlines.start(0);
    await waitFor(async () => (await last(rig, 'visitor-acme.1')).type === 'TimedOut');
    await deadlines.stop();
    const { metadata } = await last(rig, 'visitor-acme.1');
    expect(trace(metadata)).toEqual(TRACED);
    expect(metadata.causationId).toBe(armed.id);
  });

  test('is the cause of what comes of its dead letter: the report, and what is sent again', async () => {
    const rig = await rigWith();
    const { destination } = place('one', {
      perform: async (_event, _signal, again) => {
        if (!again) return { kind: 'dead', reason: 'no' };
        await rig.operator('again').send(register());
        return { kind: 'done' };
      },
      reportFailure: async () => void (await rig.operator('report').send(register())),
    });
    await speak(rig, '1', [1]);
    const cause = await last(rig, 'visitor-acme.1');
    const { lanes, letters } = await lanesOn(rig, [destination]);
    lanes.start();
    await waitFor(async () => (await lettersOf(letters)).length === 1);
    const [letter] = await lettersOf(letters);
    await letters.sendAgain(letter?.id ?? '');
    await lanes.stop();
    for (const stream of ['operator-acme.report', 'operator-acme.again']) {
      expect((await last(rig, stream)).metadata, stream).toMatchObject({
        correlationId: cause.metadata.correlationId,
        causationId: cause.id,
      });
    }
  });

  test('is the cause of what its effects report, and of the lane’s progress', async () => {
    const rig = await rigWith();
    const { destination } = place('one', {
      perform: async () => {
        await rig.operator('op1').send(register());
        return { kind: 'done' };
      },
    });
    await forRequest(TRACED, () => speak(rig, '1', [1]));
    const cause = await last(rig, 'visitor-acme.1');
    const { lanes } = await lanesOn(rig, [destination]);
    lanes.start();
    await waitFor(async () => (await rig.facts('lane-visitor-acme.1.one')).length > 0);
    await lanes.stop();
    for (const stream of ['operator-acme.op1', 'lane-visitor-acme.1.one']) {
      const { metadata } = await last(rig, stream);
      expect([metadata.correlationId, metadata.causationId]).toEqual([
        cause.metadata.correlationId,
        cause.id,
      ]);
    }
  });
});

test('a fact of the service alone causes itself', async () => {
  const rig = await rigWith();
  await createServiceFacts({ store: rig.store, now: rig.now, newId }).append(
    'letter-x',
    [{ type: 'DeadLettersExpired', data: { before: 1 }, tenant: 'acme' }],
    'any',
  );
  const { id, metadata } = await last(rig, 'letter-x');
  expect(metadata).toMatchObject({ commandId: id, correlationId: id, causationId: id });
});

describe('a line of the log', () => {
  const TRACE = TRACEPARENT.slice(3, 35);
  function logged() {
    const lines: Record<string, unknown>[] = [];
    const write = (line: string) => void lines.push(JSON.parse(line));
    const logger = pino({ base: null, level: 'debug', mixin: traceOfLine }, { write });
    return { logger, lines };
  }

  test('has the trace of the request or the fact that the work is for', async () => {
    const rig = await rigWith();
    const { logger, lines } = logged();
    await forRequest(TRACED, async () => {
      await rig.visitor('1').send(viewPage());
      logger.info('request');
    });
    const event = await last(rig, 'visitor-acme.1');
    causedBy(event, () => logger.info('fact'));
    forRequest(TRACED, () => {
      causedBy({ stream: event.stream, revision: 0 }, () => logger.info('place'));
      withoutCause(() => logger.info('others'));
    });
    logger.info('nothing');
    expect(lines.map(({ msg, traceId }) => [msg, traceId])).toEqual([
      ['request', TRACE],
      ['fact', TRACE],
      ['place', undefined],
      ['others', undefined],
      ['nothing', undefined],
    ]);
  });

  test('about an effect that failed has the trace of its fact', async () => {
    const rig = await rigWith();
    const { logger, lines } = logged();
    const lhc = place('lhc');
    lhc.state.answer = async ({ n }) =>
      n === 0 ? { kind: 'dead', reason: 'no' } : { kind: 'retry', reason: 'away' };
    const { lanes } = await lanesOn(rig, [lhc.destination], soleOwner, { logger });
    lanes.start();
    await speak(rig, '1', [0, 1]);
    await waitFor(() => lines.some(({ msg }) => msg === 'effect failed'));
    await lanes.stop();
    const [first, second] = await rig.facts('visitor-acme.1');
    const of = (msg: string) => lines.find((line) => line.msg === msg)?.traceId;
    expect(of('dead letter')).toBe(first?.metadata.correlationId.replaceAll('-', ''));
    expect(of('effect failed')).toBe(second?.metadata.correlationId.replaceAll('-', ''));
  });
});
