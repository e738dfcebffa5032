/** The link to LHC's Node helper, with a real Redis. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { observeOutages } from '../../src/kit/outage.ts';
import {
  createRedisLink,
  heardIn,
  PAYLOAD_CHARACTERS_MAX,
  PUBLISHING_AT_ONCE,
  payloadOf,
  type RedisLink,
} from '../../src/lhc/node-helper.ts';
import { type Redis, startRedis } from '../support/redis.ts';
import { waitFor } from '../support/wait.ts';

describe('what is heard', () => {
  const uuid = '3f0c2a5e-0d6f-4b5e-9a53-1f2f3a4b5c6d';
  it('is what widgets say of their visitors', () => {
    expect(heardIn(`${uuid}/o:{"op":"vt","msg":"a/b: o"}`)).toEqual({ op: 'vt', msg: 'a/b: o' });
    expect(heardIn(`${uuid}/o:{"op":"vts"}`)).toEqual({ op: 'vts' });
    expect(heardIn('o:{"op":"vi_online","status":false,"vid":"1"}')).toEqual({
      op: 'vi_online',
      status: false,
    });
  });

  it.each([
    '',
    'hello',
    '/',
    'o:',
    'o:[1]',
    `${uuid}/o:[{"op":"vts"}]`,
    `${uuid}/o:{"op":"vt"`,
    `${uuid}/s:{"op":"vts"}`,
    `${uuid}/o:{"op":"cmsg"}`,
    `${uuid}/o:{"op":"vt","msg":7}`,
    `${uuid}/o:{"op":"vi_online"}`,
    `${uuid}/o:{"__proto__":{"op":"vts"}}`,
    `${uuid}/o:{"op":"vt","msg":"${'x'.repeat(PAYLOAD_CHARACTERS_MAX)}"}`,
    payloadOf({ op: 'vts' }),
  ])('is nothing else: %j', (payload) => {
    expect(heardIn(payload)).toBeNull();
  });
});

describe('Redis', () => {
  const password = 'a-secret-of-redis';
  let redis: Redis;
  let link: RedisLink;
  const heard: string[] = [];
  const told: string[] = [];
  const publish = (op: string) => link.publish('chat_41', { op });
  const linkTo = (url: string): RedisLink =>
    createRedisLink({
      url,
      pattern: 'chat_*',
      onMessage: (channel, payload) => heard.push(`${channel} ${payload}`),
      observe: observeOutages(
        { onAway: (reason) => told.push(`away: ${reason}`), onBack: () => told.push('back') },
        () => performance.now(),
      ),
      random: () => 0,
    });
  const isUp = () => waitFor(async () => link.away() === null && (await redis.listeners()) === 1);

  beforeAll(async () => {
    redis = await startRedis(password);
    link = linkTo(redis.url);
    publish('early');
    link.start();
    await isUp();
  });
  afterAll(async () => {
    link.stop();
    await redis.close();
  });
  beforeEach(() => {
    heard.length = 0;
  });

  it('gets what is published, as an object behind a prefix', async () => {
    link.publish('chat_41', { op: 'ot', data: { status: true, ttx: 'a/b' } });
    await waitFor(() => redis.published.length > 0);
    expect(redis.published).toEqual([
      'chat_41 bridge/o:{"op":"ot","data":{"status":true,"ttx":"a/b"}}',
    ]);
    await waitFor(() => link.counts.published === 1);
    expect(link.counts.dropped).toBe(1); // it was not connected yet
  });

  it('says what came on channels of chats, and no other', async () => {
    await redis.publish('uo_1234', 'x/o:{"op":"chat_started","data":{"hash":"secret"}}');
    await redis.publish('chat_41', 'x/o:{"op":"vts"}');
    await waitFor(() => heard.length > 0);
    expect(heard).toEqual(['chat_41 x/o:{"op":"vts"}']);
  });

  it('may hang: a bounded number of publications waits', async () => {
    const { dropped, published } = link.counts;
    redis.pause();
    for (let i = 0; i < PUBLISHING_AT_ONCE + 500; i++) publish('late');
    await waitFor(() => link.counts.dropped >= dropped + 500);
    expect(link.away()).toBeNull(); // dropped, and not lost with the connection
    redis.resume();
    await waitFor(
      () =>
        link.counts.published + link.counts.dropped ===
        published + dropped + PUBLISHING_AT_ONCE + 500,
    );
  });

  it('may be killed: nothing waits for it, and nothing piles up; it is back by itself', async () => {
    const { dropped } = link.counts;
    await redis.kill();
    await waitFor(() => link.away() !== null);
    expect(link.away()).not.toContain(password);
    for (let i = 0; i < 1_000; i++) publish('lost');
    await waitFor(() => link.counts.dropped === dropped + 1_000);
    await waitFor(() => told.some((each) => each.startsWith('away')));
    await redis.start();
    await isUp();
    expect(redis.published.filter((each) => each.includes('lost'))).toEqual([]);
    expect(told.at(-1)).toBe('back');
    expect(told).toHaveLength(2);
    publish('again');
    await waitFor(() => redis.published.includes('chat_41 bridge/o:{"op":"again"}'));
    await redis.publish('chat_42', 'x/o:{"op":"vts"}');
    await waitFor(() => heard.length > 0); // it listens again
  });

  it('that refuses the password is away, and its password is in no text', async () => {
    const wrong = linkTo(redis.url.replace(password, 'another-secret'));
    wrong.start();
    await waitFor(() => /WRONGPASS|NOAUTH/.test(wrong.away() ?? ''));
    expect(`${wrong.away()} ${told.join()}`).not.toMatch(/-secret/);
    wrong.stop();
  });
});
