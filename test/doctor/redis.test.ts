/** The doctor's check of Redis, with a real redis-server. */
import { expect, it, onTestFinished } from 'vitest';
import { redisCheck } from '../../src/doctor/redis.ts';
import { startRedis } from '../support/redis.ts';

it('publishes, and hears itself; names a Redis that is away', async () => {
  const redis = await startRedis();
  onTestFinished(redis.close);
  const { signal } = new AbortController();
  expect(await redisCheck(redis.url).run(signal)).toMatchObject([{ status: 'ok' }]);
  await redis.kill();
  expect(await redisCheck(redis.url, 300).run(signal)).toEqual([
    {
      status: 'problem',
      message: expect.stringMatching(/^Redis is away: .*REFUSED.* Chat goes on/),
      advice: 'start Redis, or correct REDIS_URL',
    },
  ]);
});
