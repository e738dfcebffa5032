/** The share of the work that each process of the service has, from its /metrics. */
import { callTo, type Service } from './service.ts';
import { waitFor } from './wait.ts';

const PARTITIONS = 16;

export async function gauge(process: Service, name: string): Promise<number> {
  const { body } = await callTo(process.url)('GET', '/metrics');
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(String(body))?.[1]);
}

/** Waits until the process owns this number of partitions. */
const owns = (process: Service, partitions: number): Promise<boolean> =>
  waitFor(async () => (await gauge(process, 'xmpp_chat_partitions_owned')) === partitions, {
    every: 50,
    what: () => `${partitions} partitions:\n${process.logs().slice(-3000)}`,
  });

/** Waits until one process owns all partitions. */
export const ownsAll = (process: Service): Promise<boolean> => owns(process, PARTITIONS);

/** Waits until each process owns an equal share. */
export const balanced = (processes: readonly Service[]): Promise<unknown> =>
  Promise.all(processes.map((each) => owns(each, PARTITIONS / processes.length)));
