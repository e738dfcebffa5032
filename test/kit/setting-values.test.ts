/** Values of settings that are accepted work in the programs that have to use them; those that are refused do not. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bearerToken, isBearerToken } from '../../src/kit/bearer.ts';
import { BLOCKED_PORTS, fetchFault, withoutCredentials } from '../../src/kit/fetch-url.ts';
import { textOfFile } from '../../src/kit/text-file.ts';
import { isWebhookSecret, webhookKey } from '../../src/kit/webhook-key.ts';

/** Answers the Authorization header that it gets. */
const server = createServer((request, response) => {
  response.end(JSON.stringify(request.headers.authorization ?? ''));
});
let url = '';
beforeAll(async () => {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo; // of a TCP server
  url = `http://127.0.0.1:${port}/`;
});
afterAll(() => void server.close());

/** @returns what arrives; null if fetch refuses the header */
async function sent(given: Readonly<Record<string, string>>): Promise<string | null> {
  let headers: Headers;
  try {
    headers = new Headers({ ...given, Connection: 'close' });
  } catch {
    return null;
  }
  return (await (await fetch(url, { headers })).json()) as string; // the server above
}

describe('a bearer token', () => {
  const arrives = async (token: string) => {
    const header = await sent({ Authorization: `Bearer ${token}` });
    return header !== null && bearerToken(header) === token;
  };

  test('that is accepted arrives as it is', async () => {
    const characters = fc.oneof(fc.string(), fc.string({ unit: 'binary' }));
    const accepted = characters.filter(isBearerToken);
    await fc.assert(
      fc.asyncProperty(accepted, async (token) => {
        expect(await arrives(token)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  test.each([' a', 'a ', 'a\n', '\ta', 'a\u0000b', 'ключ'])('%j does not arrive', async (token) => {
    expect([isBearerToken(token), await arrives(token)]).toEqual([false, false]);
  });

  test('with an ü arrives by some clients only, so it is refused', () => {
    expect(isBearerToken('für')).toBe(false);
  });
});

describe('a URL', () => {
  /** The reason of a fetch that opens no connection. */
  async function reasonOf(address: string): Promise<string> {
    const dispatcher = {
      dispatch() {
        throw new Error('would connect');
      },
    };
    const asked = fetch(address, { dispatcher } as object as RequestInit); // an option of Node's fetch alone
    return asked.then(
      () => 'answered',
      (error: Error) => (error.cause as Error).message,
    );
  }

  test('may not have the ports that fetch refuses, and may have all others', async () => {
    const ports = Array.from({ length: 11_000 }, (_, port) => String(port));
    const refused: string[] = [];
    for (const port of [...ports, '65535']) {
      if ((await reasonOf(`http://127.0.0.1:${port}/`)) === 'bad port') refused.push(port);
    }
    // No server has the port 0. The standard refuses it, undici does not.
    expect(['0', ...refused].toSorted()).toEqual([...BLOCKED_PORTS].toSorted());
    expect(fetchFault('http://lhc.test:6000/')).not.toBeNull();
    expect(fetchFault('http://lhc.test:6001/')).toBeNull();
  });

  test('whose credentials are accepted sends them as they were meant', async () => {
    const text = fc.string({ unit: 'grapheme', minLength: 1 });
    await fc.assert(
      fc.asyncProperty(text, text, async (user, password) => {
        const address = new URL(url);
        address.username = encodeURIComponent(user);
        address.password = encodeURIComponent(password);
        expect(fetchFault(address.href) === null).toBe(!user.includes(':'));
        const { authorization } = withoutCredentials(address.href);
        const header = await sent(authorization);
        const basic = Buffer.from(header?.slice('Basic '.length) ?? '', 'base64').toString();
        expect(basic).toBe(`${user}:${password}`);
      }),
      { numRuns: 40 },
    );
  });
});

describe('a secret of webhooks', () => {
  test('that is accepted signs what another implementation verifies', () => {
    const padded = fc
      .uint8Array({ minLength: 18, maxLength: 128 })
      .map((key) => `whsec_${Buffer.from(key).toString('base64')}`);
    fc.assert(
      fc.property(padded, (secret) => {
        expect(isWebhookSecret(secret)).toBe(true);
        expect(isWebhookSecret(secret.replace(/=+$/, ''))).toBe(true);
        const ours = `whsec_${webhookKey(secret).toString('base64')}`;
        const at = new Date(1e12);
        expect(new Webhook(secret).sign('id', at, 'x')).toBe(new Webhook(ours).sign('id', at, 'x'));
      }),
    );
  });

  test('that is accepted has a key of 18 bytes or more, and nothing in it is left out', () => {
    const digits = fc.string({
      unit: fc.constantFrom('A', 'z', '9', '+', '/', '=', '-', ' '),
      maxLength: 60,
    });
    fc.assert(
      fc.property(digits, (encoded) => {
        if (!isWebhookSecret(`whsec_${encoded}`)) return;
        const key = webhookKey(`whsec_${encoded}`);
        expect(key.length).toBeGreaterThanOrEqual(18);
        expect(key.length).toBe(Math.floor((encoded.replaceAll('=', '').length * 3) / 4));
      }),
      { numRuns: 2_000 },
    );
  });
});

test('a file has the same text in each encoding, and a broken one has none', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      const marked = Buffer.from(`\ufeff${text}`, 'utf16le');
      expect(textOfFile(Buffer.from(text))).toBe(text);
      expect(textOfFile(Buffer.from(`\ufeff${text}`))).toBe(text);
      expect(textOfFile(marked)).toBe(text);
      expect(textOfFile(Buffer.from(marked).swap16())).toBe(text);
    }),
  );
  expect(textOfFile(Buffer.from('für', 'latin1'))).toBeNull();
  expect(textOfFile(Buffer.from([0xff, 0xfe, 0x00, 0xd8]))).toBeNull(); // half of a pair
});
