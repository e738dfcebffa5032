/** A data key in the log: wrapped, in a stream of its own. */
import type { RecordedEvent } from '../../eventstore/port.ts';
import type { JsonObject } from '../../kit/json.ts';
import { decrypt, encrypt } from './box.ts';
import type { WrappingKey } from './secrets.ts';

/** The names of all streams of data keys begin so. */
export const KEY_STREAMS = 'key-';

/** @param key as in `Sealed` */
export const keyStream = (key: string): string => KEY_STREAMS + key;

export const keyOfStream = (stream: string): string => stream.slice(KEY_STREAMS.length);

/** The tenant of a data key. */
export const tenantOf = (key: string): string | null => key.split('.', 1)[0] ?? null;

/** The last fact of a key that is erased. Then the stream is deleted, and its name may be used again. */
export const KEY_ERASED = 'DataKeyErased';
/** The last fact of a key that is destroyed for good. It stays, so that no process makes the key anew. */
export const KEY_DESTROYED = 'DataKeyDestroyed';

type Typed = Pick<RecordedEvent, 'type'>;
export const isDestroyed = ({ type }: Typed): boolean => type === KEY_DESTROYED;
/** Erased or destroyed. */
export const isErased = (event: Typed): boolean => event.type === KEY_ERASED || isDestroyed(event);

/** @returns the data of a fact of the key's stream */
export const wrap = (by: WrappingKey, key: string, dataKey: Buffer): JsonObject => ({
  wrapped: encrypt(by.key, key, dataKey).toString('base64'),
  secret: by.id,
});

/**
 * @param data of the last fact of the key's stream. Version 0.1.0 did not say which secret wrapped it
 * @returns null if none of these wrapped it
 */
export function unwrap(
  wrapping: readonly WrappingKey[],
  key: string,
  { wrapped, secret }: JsonObject,
): { readonly dataKey: Buffer; readonly by: WrappingKey } | null {
  if (typeof wrapped !== 'string') return null;
  const box = Buffer.from(wrapped, 'base64');
  for (const by of wrapping) {
    if (secret !== undefined && secret !== by.id) continue;
    const dataKey = decrypt(by.key, key, box);
    if (dataKey) return { dataKey, by };
  }
  return null;
}
