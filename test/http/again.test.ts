/** A request that comes again, and another request with the same id, over a real log and real actors. */
import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { COMMAND_MEMORY_MS } from '../../src/actors/machine/idempotency.ts';
import { createActors } from '../../src/runtime/host/actors.ts';
import { startChat } from '../actors/facts.ts';
import { username } from '../support/names.ts';
import { newId, openRig, type Rig } from '../support/rig.ts';
import { fakeApp } from './fakes.ts';

let rig: Rig;
let digestKey: Buffer;
beforeEach(async () => {
  digestKey = randomBytes(32);
  rig = await openRig();
});
afterEach(() => rig.close());

/** A process that has just started: it knows what the log says. */
const started = () =>
  fakeApp({ actors: createActors(rig.makeHost(), newId), now: rig.now, digestKey }).ask;
interface Request {
  readonly path: string;
  readonly body?: unknown;
  readonly key?: string;
  readonly visitor?: string;
}
async function post({ path, body, key, visitor = '7' }: Request) {
  const headers = key === undefined ? {} : { 'Idempotency-Key': key };
  const { status, json } = await started()('POST', `/v1/acme/visitors/${visitor}/${path}`, {
    ...(body !== undefined && { body }),
    headers,
  });
  return { status, json, facts: (await rig.types(`visitor-acme.${visitor}`)).length };
}
const view = (page: string, more: Partial<Request> = {}) =>
  post({ path: 'page-views', body: { page }, ...more });
const start = (chatId: string, id: string, body: string) =>
  post({ path: 'chats', body: { chatId, message: { id, body } } });
const say = (id: string, body: string, chatId?: string) =>
  post({ path: 'messages', body: { id, body, ...(chatId !== undefined && { chatId }) } });
const close = (chatId: string) => post({ path: `chats/${chatId}/close`, body: { by: 'visitor' } });

describe('an Idempotency-Key', () => {
  test('of another request is answered with 422, and nothing happens', async () => {
    const first = await view('/a', { key: 'k' });
    expect(first.status).toBe(202);
    for (const other of [
      { path: 'page-views', body: { page: '/b' } },
      { path: 'page-views', body: { page: '/a', nick: 'Ann' } },
      { path: 'chats', body: { chatId: 'c1' } },
      { path: 'timeout' },
    ]) {
      const { status, json, facts } = await post({ ...other, key: 'k' });
      expect({ status, facts }).toEqual({ status: 422, facts: first.facts });
      expect(json).toMatchObject({
        code: 'reused',
        errors: [{ field: 'Idempotency-Key', reason: expect.stringContaining('another request') }],
      });
    }
  });

  test('of the same request with its fields in another order is a repeat', async () => {
    const body = { page: '/a', nick: 'Ann' };
    await post({ path: 'page-views', body, key: 'k' });
    const again = await post({ path: 'page-views', body: { nick: 'Ann', page: '/a' }, key: 'k' });
    expect(again).toMatchObject({ status: 202, facts: 1 });
  });

  test('belongs to one visitor: for another one it is another key', async () => {
    await view('/a', { key: 'k' });
    expect(await view('/b', { key: 'k', visitor: '8' })).toMatchObject({ status: 202, facts: 1 });
  });

  test('of a request of release 0.1.0 is a repeat: nobody knows what it said', async () => {
    await view('/a');
    await rig.toVisitor('7', { type: 'TimeOut' }, { commandId: 'key:old' });
    expect((await view('/b', { key: 'old' })).status).toBe(202);
    expect(await rig.types('visitor-acme.7')).toEqual(['VisitorArrived', 'TimedOut']);
  });

  test('is carried out once for each request, and never says that it was when it was not', async () => {
    const request = fc.record({
      key: fc.constantFrom('k', 'l'),
      path: fc.constantFrom('page-views', 'timeout'),
      page: fc.constantFrom('/a', '/b'),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(request, { maxLength: 8 }),
        fc.uuid(),
        async (requests, visitor) => {
          const first = new Map<string, string>();
          let facts = 0;
          for (const { key, path, page } of requests) {
            const body = path === 'page-views' ? { page } : undefined;
            const what = JSON.stringify([path, body]);
            const { status, facts: now } = await post({ path, body, key, visitor });
            const known = first.get(key);
            if (known !== undefined) {
              expect({ status, now }).toEqual({ status: known === what ? 202 : 422, now: facts });
            } else if (now > facts) first.set(key, what); // else there was nothing to change
            facts = now;
          }
        },
      ),
      { numRuns: 25 },
    );
  });
});

test('after a change of the service secret, the same request is a repeat all the same', async () => {
  await view('/a', { key: 'k' });
  await start('c1', 'm1', 'Hello');
  digestKey = randomBytes(32);
  expect((await view('/a', { key: 'k' })).status).toBe(202);
  expect(await say('m1', 'Hello')).toMatchObject({ status: 202, facts: 3 });
});

describe('the id of a message', () => {
  const conflict = (field: string, reason: RegExp) => ({
    status: 409,
    json: {
      code: 'conflict',
      errors: [{ field, reason: expect.stringMatching(reason) }],
      detail: expect.stringContaining('a new one needs an id of its own'),
    },
  });

  test('with another text is a conflict; with the same text a repeat', async () => {
    const { facts } = await start('c1', 'm1', 'Hello');
    expect(await say('m1', 'Bye')).toMatchObject({ ...conflict('id', /another text/), facts });
    expect(await start('c1', 'm1', 'Bye')).toMatchObject({
      ...conflict('message.id', /another text/),
      facts,
    });
    expect(await say('m1', 'Hello')).toMatchObject({ status: 202, facts });
    expect(await start('c1', 'm1', 'Hello')).toMatchObject({ status: 202, facts });
  });

  test('in another chat is a conflict, and that chat does not begin', async () => {
    await start('c1', 'm1', 'Hello');
    expect((await start('c1', 'm1', 'Hello')).status).toBe(202);
    const { facts } = await close('c1');
    expect((await start('c1', 'm1', 'Hello')).status).toBe(202); // the answer was lost, perhaps
    expect(await start('c2', 'm1', 'Hello')).toMatchObject({
      ...conflict('message.id', /another chat/),
      facts,
    });
  });

  test('counts for delivered messages too, and after a day and many commands', async () => {
    await start('c1', 'm1', 'Hello');
    await rig.toVisitor('7', { type: 'ReportMessageDelivered', messageIds: ['m1'], by: 'ping' });
    rig.clock.passes(COMMAND_MEMORY_MS + 1);
    for (let n = 0; n < 300; n++) {
      const id = `view-${n}`;
      await rig.toVisitor(
        '7',
        { type: 'AddNote', operator: username('op1'), noteId: id, body: id },
        { commandId: id },
      );
    }
    const facts = (await rig.types('visitor-acme.7')).length;
    expect(await say('m1', 'Bye')).toMatchObject({ ...conflict('id', /another text/), facts });
    expect(await say('m1', 'Hello')).toMatchObject({ status: 202, facts });
    const closed = await close('c1');
    // It could be a new chat whose caller counts from 1 again: it must not begin without its first words.
    expect(await start('c1', 'm1', 'Hello')).toMatchObject({
      ...conflict('message.id', /earlier chat/),
      facts: closed.facts,
    });
  });

  test('of a message of release 0.1.0 is a repeat: its text is not known', async () => {
    await view('/');
    await rig.toVisitor('7', startChat());
    await rig.toVisitor(
      '7',
      { type: 'SendMessage', messageId: 'm1', chatId: null, body: 'Hello' },
      { commandId: 'msg:m1' },
    );
    const { facts } = await say('m1', 'Bye');
    expect(facts).toBe(3);
  });
});
