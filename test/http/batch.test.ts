/** A batch is the same requests one by one: the same answers and the same facts, over a real log and real actors. */
import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { newId, openRig, type Rig } from '../support/rig.ts';
import { fakeApp } from './fakes.ts';

/** One service for requests that come alone, and one for batches. */
let alone: Rig;
let batched: Rig;
const digestKey = randomBytes(32);
beforeAll(async () => {
  [alone, batched] = await Promise.all([openRig(), openRig()]);
});
afterAll(() => Promise.all([alone.close(), batched.close()]));

const askOf = ({ actors, now }: Rig) => fakeApp({ actors, now, newId, digestKey }).ask;

interface Request {
  readonly visitor: number;
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
}

const chatId = fc.constantFrom('c1', 'c2');
const messageId = fc.constantFrom('m1', 'm2', 'm3');
const text = fc.constantFrom('Hello', 'Hi', '', '\u0001', 'a\r\nb');
const post = (path: string, body?: unknown) => ({ method: 'POST', path, body });
const what = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('/a', '/b').map((page) => post('page-views', { page })) },
  {
    weight: 3,
    arbitrary: fc
      .tuple(chatId, messageId, text)
      .map(([chat, id, body]) => post('chats', { chatId: chat, message: { id, body } })),
  },
  {
    weight: 4,
    arbitrary: fc
      .tuple(messageId, text, fc.option(chatId, { nil: undefined }))
      .map(([id, body, chat]) => post('messages', { id, body, ...(chat && { chatId: chat }) })),
  },
  chatId.map((chat) => post(`chats/${chat}/close`, { by: 'visitor' })),
  messageId.map((id) => post('displayed', { messageId: id })),
  fc.constantFrom(
    post('timeout'),
    post('typing', { state: 'composing' }),
    post('page-views', { page: 1 }),
    post('nowhere'),
    { method: 'DELETE', path: '' },
    { method: 'PUT', path: 'page-views' },
  ),
);
const requests = fc.array(
  fc.record({ visitor: fc.integer({ min: 0, max: 2 }), key: fc.integer({ min: 0, max: 6 }), what }),
  { minLength: 1, maxLength: 30 },
);
/** Where one batch ends and the next begins. */
const sizes = fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 4 });

/** Parts of a list in order. No part has an id twice: a batch may not. */
function split(all: readonly Request[], lengths: readonly number[]): Request[][] {
  const parts: Request[][] = [[]];
  for (const request of all) {
    const part = parts.at(-1) ?? [];
    const isFull = part.length >= (lengths[(parts.length - 1) % lengths.length] ?? 1);
    if (isFull || part.some(({ id }) => id === request.id)) parts.push([request]);
    else part.push(request);
  }
  return parts;
}

/** What a caller reads of an answer. Positions are those of the whole log. */
const read = (status: number, body: Record<string, unknown> | null) => {
  const { position, ...rest } = body ?? {};
  return { status, ...rest };
};

const factsOf = async ({ store }: Rig, visitor: string) =>
  (await store.readStream(`visitor-acme.${visitor}`)).map(({ type, data, metadata }) => ({
    type,
    data,
    commandId: metadata.commandId.startsWith('auto:') ? 'auto' : metadata.commandId,
  }));

test('a batch does and answers what its requests do and answer one by one', async () => {
  const [one, many] = [askOf(alone), askOf(batched)];
  let run = 0;
  await fc.assert(
    fc.asyncProperty(requests, sizes, async (wishes, lengths) => {
      run += 1;
      const all = wishes.map(
        ({ visitor, key, what: { method, path, ...more } }): Request => ({
          visitor,
          id: `k${key}`,
          method,
          path: `visitors/r${run}-${visitor}${path && '/'}${path}`,
          ...more,
        }),
      );
      const answers: unknown[] = [];
      for (const { id, method, path, body } of all) {
        const options = { ...(body !== undefined && { body }), headers: { 'Idempotency-Key': id } };
        const { status, json } = await one(method, `/v1/acme/${path}`, options);
        answers.push(status === 404 || status === 405 ? { status } : read(status, json));
      }
      const results: unknown[] = [];
      for (const part of split(all, lengths)) {
        const sent = part.map(({ visitor, ...request }) => request);
        const { json } = await many('POST', '/v1/acme/batch', { body: { requests: sent } });
        for (const { status, body } of json.results)
          results.push(status === 404 || status === 405 ? { status } : read(status, body));
      }
      expect(results).toEqual(answers);
      for (const visitor of [0, 1, 2]) {
        const name = `r${run}-${visitor}`;
        expect(await factsOf(batched, name)).toEqual(await factsOf(alone, name));
      }
    }),
    { numRuns: 40 },
  );
});
