/** LHC for tests of lanes, without HTTP. It keeps the callbacks that it accepted. */
import type { CallbackClient } from '../../src/lhc/callback-client.ts';
import type { Callback } from '../../src/lhc/callback-types.ts';
import type { DeliveryOutcome } from '../../src/lhc/delivery.ts';

export function fakeLhc() {
  /** Every attempt, accepted or not. */
  const attempts: Callback[] = [];
  const accepted: Callback[] = [];
  const state = {
    answer: async (_callback: Callback): Promise<DeliveryOutcome> => ({ outcome: 'accepted' }),
  };
  const client: CallbackClient = {
    deliver: async (_endpoint, callback) => {
      attempts.push(callback);
      const answer = await state.answer(callback);
      if (answer.outcome === 'accepted') accepted.push(callback);
      return answer;
    },
  };
  return { client, attempts, accepted, state };
}
