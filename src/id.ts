import { randomBytes } from 'node:crypto';

let last = 0;
let count = 0;

/**
 * A UUID of version 7 (RFC 9562 §5.7), ordered by time also within a millisecond: random ids in a unique index halve
 * the throughput of large commits (EVENTSTORE.md).
 */
export function newId(now: number = Date.now()): string {
  if (now > last) {
    last = now;
    count = 0;
  } else {
    count++;
    if (count > 0xfff) {
      last++; // more than 4,096 in a millisecond: borrow from the next
      count = 0;
    }
  }
  const time = last.toString(16).padStart(12, '0');
  const order = count.toString(16).padStart(3, '0');
  const random = randomBytes(8);
  random[0] = ((random[0] ?? 0) & 0x3f) | 0x80;
  const tail = random.toString('hex');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${order}-${tail.slice(0, 4)}-${tail.slice(4)}`;
}
