/** LHC's Node helper: what is published to Redis, and what is heard there. */
import type { Config } from '../../config/config.ts';
import { CHAT_CHANNELS, createRedisLink, heardIn } from '../../lhc/node-helper.ts';
import { createNodeHelper } from '../../reactors/lhc/node-helper.ts';
import type { OperatorNames } from '../../reactors/operator-names.ts';
import type { RoutingTables } from '../../reactors/routing/table-queries.ts';
import type { ForwardTyping } from '../../runtime/ports.ts';
import { toldOutages } from '../outages.ts';
import type { Runtime } from './runtime.ts';

/** @returns null without REDIS_URL */
export function createHelper(
  { redisUrl: url }: Config,
  base: Runtime &
    Pick<Parameters<typeof createNodeHelper>[0], 'personal'> & { names: OperatorNames },
  visitorOf: RoutingTables['visitorOf'],
  typing: ForwardTyping,
) {
  if (url === undefined) return null;
  const nodeHelper = createNodeHelper({
    ...base,
    visitorOf,
    typing,
    operatorName: async (tenant, operator) => (await base.names.of(tenant)).plain(operator),
    publish: (channel, operation) => redis.publish(channel, operation),
    read: heardIn,
  });
  const redis = createRedisLink({
    ...base,
    url,
    pattern: CHAT_CHANNELS,
    onMessage: nodeHelper.heard,
    observe: toldOutages('Redis', base.logger, base.monotonic),
  });
  return { nodeHelper, redis };
}
