/** An LHC that is away or hangs, over real HTTP: the lanes, the callbacks and their client together. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createCallbackClient } from '../../../src/lhc/callback-client.ts';
import {
  createCallbacks,
  EPHEMERAL_AT_ONCE,
  LHC_BREAKER,
} from '../../../src/reactors/lhc/callback-lane.ts';
import { SLOW_START_LANES } from '../../../src/runtime/lanes/gate.ts';
import { receive, viewPage } from '../../actors/facts.ts';
import { lanesOn } from '../../runtime/lanes/rig.ts';
import { type Lhc, startLhc } from '../../support/lhc.ts';
import { ACME, newId, openRig, type Rig } from '../../support/rig.ts';
import { waitFor } from '../../support/wait.ts';

const VISITORS = 40;
const TIMEOUT_MS = 400;
const alive = {
  type: 'operator.alive',
  data: { operator: { username: 'op1', lhcUserId: 7 }, at: '' },
} as const;

let lhc: Lhc;
let rig: Rig;
const closing: (() => Promise<void>)[] = [];
beforeEach(async () => {
  lhc = await startLhc();
  rig = await openRig({ settings: { callbackUrl: lhc.url } });
  closing.push(lhc.close, () => rig.close());
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function start() {
  const { actors, personal, digestKey, tenants, now, monotonic } = rig;
  const client = createCallbackClient({ timeoutMs: TIMEOUT_MS });
  let underWay = 0;
  const callbacks = createCallbacks({
    actors,
    personal,
    digestKey,
    tenants,
    now,
    monotonic,
    newId,
    random: Math.random,
    client: {
      async deliver(...call) {
        underWay++;
        return client.deliver(...call).finally(() => underWay--);
      },
    },
  });
  const { lanes, caughtUp } = await lanesOn(rig, [callbacks.destination]);
  closing.push(() => lanes.stop());
  lanes.start();
  const isAway = () => lanes.failures('lhc').get(ACME)?.away === true;
  return { callbacks, lanes, caughtUp, isAway, isQuiet: () => underWay === 0 };
}

async function everybodyWrites(n: number): Promise<void> {
  for (let v = 0; v < VISITORS; v++) {
    if (n === 0) await rig.toVisitor(`${v}`, viewPage());
    await rig.toVisitor(`${v}`, receive('op1', `m${v}-${n}`));
  }
}

describe('an LHC that accepts and never answers', () => {
  it('holds a few connections, then one at a time; everything arrives in order when it answers', async () => {
    lhc.behave({ kind: 'hang' });
    await everybodyWrites(0);
    const { isAway, isQuiet, lanes, caughtUp } = await start();
    // All calls that began before it was known have come, and are over.
    await waitFor(() => isAway() && isQuiet(), { what: 'LHC to count as away' });
    const before = lhc.requests.length;
    expect(before).toBeLessThanOrEqual(2 * SLOW_START_LANES);
    const began = performance.now();
    await everybodyWrites(1);
    await caughtUp();
    await waitFor(() => lhc.requests.length >= before + 2, { what: 'two probes' });
    const probes = (performance.now() - began) / (LHC_BREAKER.retry.firstMs / 2) + 1;
    expect(lhc.requests.length - before).toBeLessThanOrEqual(probes);
    lhc.behave({ kind: 'status', status: 204 });
    await lhc.waitFor(() => lhc.accepted().length === 2 * VISITORS);
    for (let v = 0; v < VISITORS; v++) {
      const of = lhc
        .accepted()
        .flatMap(({ data }) =>
          'message' in data && data.visitor === `${v}` ? data.message.id : [],
        );
      expect(of).toEqual([`m${v}-0`, `m${v}-1`]);
    }
    await waitFor(() => lanes.failures('lhc').size === 0); // the lanes hear of the last answer a moment later
  });

  it('gets a bounded number of callbacks that have no lane', async () => {
    lhc.behave({ kind: 'hang' });
    const { callbacks } = await start();
    const all = Array.from({ length: 50 }, () => callbacks.ephemeral(ACME, alive));
    await Promise.all(all);
    expect(lhc.requests).toHaveLength(EPHEMERAL_AT_ONCE);
  });
});

it('while LHC is away, callbacks without a lane are dropped at once', async () => {
  await lhc.stop();
  await everybodyWrites(0);
  const { callbacks, isAway } = await start();
  await waitFor(isAway, { what: 'LHC to count as away' });
  await lhc.start();
  await callbacks.ephemeral(ACME, alive);
  expect(lhc.requests.filter(({ callback }) => callback?.type === 'operator.alive')).toEqual([]);
  await lhc.waitFor(() => lhc.accepted().length === VISITORS);
  await callbacks.ephemeral(ACME, alive);
  await lhc.waitFor(() => lhc.accepted().at(-1)?.type === 'operator.alive');
});
