import { expect, it } from 'vitest';
import {
  isValid,
  LEASE_MS,
  MARGIN_MS,
  type PartitionState,
} from '../../../src/runtime/leases/partitions.ts';

it.each([
  [LEASE_MS, MARGIN_MS],
  [LEASE_MS / 4, MARGIN_MS / 4],
])('an owner of a lease of %i ms stops %i ms before its end', (durationMs, marginMs) => {
  const validAt = (sinceBegun: number): boolean => {
    const state = { durationMs, log: { sinceBegun: () => sinceBegun } };
    return isValid(state as unknown as PartitionState); // it reads nothing else
  };
  expect(validAt(durationMs - marginMs - 1)).toBe(true);
  expect(validAt(durationMs - marginMs)).toBe(false);
});
