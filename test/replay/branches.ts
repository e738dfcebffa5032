/** Histories to branch from. */
import { expect } from 'vitest';
import type { Action } from '../../src/replay/branch.ts';
import { createCheckpoints } from '../../src/replay/checkpoints.ts';
import { findStream } from '../../src/replay/fold.ts';
import { faultsOf, type WhatIf, whatIf } from '../../src/replay/what-if.ts';
import {
  arrived,
  chatAccepted,
  chatAssigned,
  chatStarted,
  operatorMessage,
  pageViewed,
  visitorMessage,
} from '../actors/facts.ts';
import { history, type MemoryLog, memoryLog } from './memory-log.ts';

export type { Action };

const STREAM = 'visitor-acme.7';
const PLAYED = [arrived(), chatStarted(), visitorMessage(), chatAssigned()];
const CHAT = [...PLAYED, chatAccepted(), operatorMessage()];
const LONG = [arrived(), ...Array.from({ length: 70 }, (_, n) => pageViewed(`page-${n}`))];

const log: MemoryLog = memoryLog({
  [STREAM]: CHAT,
  'visitor-acme.long': LONG,
  'operator-acme.op': history('operator'),
  'tenant-acme': history('tenant'),
});

type Command = Extract<Action, { command: object }>['command'];
/** A command as JSON has it. */
export const asks = (command: object): Action => ({
  command: JSON.parse(JSON.stringify(command)) as Command, // a command
});

export async function branch(
  at: Parameters<typeof whatIf>[2],
  actions: readonly Action[],
  stream = STREAM,
): Promise<WhatIf> {
  const found = (await findStream(log, stream)) ?? expect.unreachable();
  expect(faultsOf(found.actor.kind, actions)).toEqual([]);
  return whatIf(log, found, at, actions, 'native', createCheckpoints());
}
