/**
 * Personal data in the log, encrypted from the first day: AES-256-GCM with one data key for each visitor, wrapped with
 * a key derived from the service secret and kept in a stream of its own. Deleting that stream erases the person.
 */
import { createCipheriv, createDecipheriv, randomBytes, randomFillSync } from 'node:crypto';
import { AppError } from '../../errors.ts';
import { type EventStore, type Sealed, WrongExpectedRevision } from '../../eventstore/port.ts';
import { lastEvent } from '../../eventstore/reading.ts';
import type { JsonObject } from '../../kit/json.ts';
import { Lru } from '../../kit/lru.ts';
import type { Vault } from '../ports.ts';
import { createServiceFacts } from '../service-facts.ts';

const ALGORITHM = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEYS_IN_MEMORY = 20_000;
/** Where other processes write to the log too, one of them may delete a key: it is looked up again after so long. */
const SHARED_FOR_MS = 60_000;

const keyStream = (key: string): string => `key-${key}`;

/** Random bytes are fetched for many nonces at once; each is used once. */
const NONCES = Buffer.alloc(NONCE_BYTES * 256);
let noncesUsed = NONCES.length;

function freshNonce(): Buffer {
  if (noncesUsed === NONCES.length) {
    randomFillSync(NONCES);
    noncesUsed = 0;
  }
  noncesUsed += NONCE_BYTES;
  return NONCES.subarray(noncesUsed - NONCE_BYTES, noncesUsed);
}

/** nonce, ciphertext and tag in one; bound to `context`, so that a box cannot be moved to another person. */
function encrypt(key: Buffer, context: string, plain: Buffer): Buffer {
  const nonce = freshNonce();
  const cipher = createCipheriv(ALGORITHM, key, nonce);
  cipher.setAAD(Buffer.from(context));
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** null when the box was not made with this key and context. */
function decrypt(key: Buffer, context: string, box: Buffer): Buffer | null {
  try {
    const decipher = createDecipheriv(ALGORITHM, key, box.subarray(0, NONCE_BYTES), {
      authTagLength: TAG_BYTES,
    });
    decipher.setAAD(Buffer.from(context));
    decipher.setAuthTag(box.subarray(-TAG_BYTES));
    const text = decipher.update(box.subarray(NONCE_BYTES, -TAG_BYTES));
    return Buffer.concat([text, decipher.final()]);
  } catch {
    return null; // node:crypto tells a wrong key and a damaged box in the same way: by throwing
  }
}

/**
 * @param wrapping 32 bytes, derived from the service secret
 * @throws {AppError} `unavailable` from its methods when the store is
 */
export function createVault(options: {
  store: Pick<EventStore, 'readStream' | 'append' | 'deleteStream'>;
  wrapping: Buffer;
  now: () => number;
  newId: () => string;
  /** Whether other processes write to the same log. Default false. */
  shared?: boolean;
}): Vault {
  const { store, wrapping, now } = options;
  const facts = createServiceFacts(options);
  const keys = new Lru<{ readonly found: Promise<Buffer | null>; readonly at: number }>(
    KEYS_IN_MEMORY,
  );

  function known(key: string): Promise<Buffer | null> | undefined {
    const held = keys.get(key);
    return held && options.shared && now() - held.at > SHARED_FOR_MS ? undefined : held?.found;
  }

  async function load(key: string): Promise<Buffer | null> {
    const last = await lastEvent(store, keyStream(key));
    if (!last) return null;
    const wrapped = last.data.wrapped;
    const dataKey =
      typeof wrapped === 'string' ? decrypt(wrapping, key, Buffer.from(wrapped, 'base64')) : null;
    if (!dataKey) {
      throw new AppError(
        'unavailable',
        `the data key of ${key} does not open: SERVICE_SECRET is not the one it was made with`,
        { reason: 'secret' },
      );
    }
    return dataKey;
  }

  async function make(key: string): Promise<Buffer | null> {
    const known = await load(key);
    if (known) return known;
    const dataKey = randomBytes(32);
    const fact = {
      type: 'DataKeyCreated',
      data: { wrapped: encrypt(wrapping, key, dataKey).toString('base64') },
      tenant: key.split('.', 1)[0] ?? null,
    };
    try {
      await facts.append(keyStream(key), [fact], 'no-stream');
      return dataKey;
    } catch (error) {
      if (error instanceof WrongExpectedRevision) return load(key); // another process was first
      throw error;
    }
  }

  /** One look-up at a time for each key; a failed one is forgotten. */
  function remember(key: string, find: () => Promise<Buffer | null>): Promise<Buffer | null> {
    const looking = find();
    keys.set(key, { found: looking, at: now() });
    looking.then(
      (found) => found ?? keys.delete(key),
      () => keys.delete(key),
    );
    return looking;
  }

  return {
    async seal(key, personal): Promise<Sealed> {
      const dataKey = await (known(key) ?? remember(key, () => make(key)));
      // A look-up by `open` that found nothing may have been under way.
      const usable = dataKey ?? (await remember(key, () => make(key)));
      if (!usable) throw new AppError('unavailable', `no data key for ${key} could be made`);
      const box = encrypt(usable, key, Buffer.from(JSON.stringify(personal)));
      return { key, box: box.toString('base64') };
    },
    async open({ key, box }) {
      const dataKey = await (known(key) ?? remember(key, () => load(key)));
      const plain = dataKey && decrypt(dataKey, key, Buffer.from(box, 'base64'));
      // What a seal wrote is an object; the tag proves that it is what was written.
      return plain ? (JSON.parse(plain.toString()) as JsonObject) : null;
    },
    async erase(key) {
      keys.delete(key);
      await store.deleteStream(keyStream(key));
      keys.delete(key);
    },
  };
}
