/** Resident memory for each known visitor: log, host, pending work with deadlines, and read models, without XMPP. */
import type { Memory } from './memory-child.ts';
import { startChild } from './processes.ts';
import type { Row } from './row.ts';

const VISITORS = 100_000;
/** The aim, in bytes. */
const REFERENCE = 3_000;

/** Measures in a process of its own, so that nothing else counts. */
export async function benchMemory(): Promise<Row[]> {
  const child = startChild<{ visitors: number }, Memory>('memory-child.ts', ['--expose-gc']);
  try {
    const { before, after, deadlines, applied } = await child.ask({ visitors: VISITORS });
    if (deadlines !== VISITORS || applied !== VISITORS) {
      throw new Error(
        `${VISITORS} visitors, ${deadlines} deadlines, ${applied} facts in the read models`,
      );
    }
    const value = (after - before) / VISITORS;
    return [
      {
        name: 'resident memory for each known visitor',
        value,
        unit: 'bytes',
        reference: REFERENCE,
        ratio: value / REFERENCE,
        aim: 1,
        better: 'lower',
      },
    ];
  } finally {
    await child.stop();
  }
}
