/** Whether Redis, which LHC's Node helper listens to, passes on what the service publishes. */
import { setTimeout as delay } from 'node:timers/promises';
import { newId } from '../kit/id.ts';
import { CHAT_CHANNELS, createRedisLink } from '../lhc/node-helper.ts';
import { type Check, ok, problem } from './check.ts';

/** For the connection and one publication there and back. */
export const REDIS_DEADLINE_MS = 4_000;
/** A publication is lost while the subscription is not ready, so it is repeated. */
const PUBLISH_EVERY_MS = 200;

/** Publishes to a channel that no widget has, with the rights that the service needs. @param url REDIS_URL */
export const redisCheck = (url: string, deadlineMs = REDIS_DEADLINE_MS): Check => ({
  name: 'redis',
  async run(signal) {
    const channel = CHAT_CHANNELS.replace('*', `doctor-${newId()}`);
    let isHeard = false;
    const link = createRedisLink({
      url,
      pattern: CHAT_CHANNELS,
      onMessage: (from) => {
        if (from === channel) isHeard = true;
      },
      observe: (call) => call(),
      random: Math.random,
    });
    link.start();
    try {
      const end = performance.now() + deadlineMs;
      while (!isHeard && performance.now() < end && !signal.aborted) {
        link.publish(channel, { op: 'doctor' });
        await delay(PUBLISH_EVERY_MS);
      }
      if (isHeard) return [ok('Redis passes on what is published')];
      const away = link.away();
      return [
        away === null
          ? problem(
              'Redis is there, and what is published does not come back',
              `does the user of REDIS_URL have the rights to publish and to psubscribe, for the channels ${CHAT_CHANNELS} and uo_*?`,
            )
          : problem(
              `Redis is away: ${away}. Chat goes on, and widgets of visitors notice messages later`,
              'start Redis, or correct REDIS_URL',
            ),
      ];
    } finally {
      link.stop();
    }
  },
});
