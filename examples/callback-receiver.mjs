// Receives xmpp-chat's callbacks. Needs Node 20 or newer and no packages; copy this one file.
//
//   CALLBACK_SECRET=whsec_… PORT=8092 node examples/callback-receiver.mjs
//
// CALLBACK_SECRET is the tenant's `callbackSecret`, and http://127.0.0.1:8092/ its `callbackUrl`.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';

const TOLERANCE_S = 300;
const BODY_LIMIT_BYTES = 1024 * 1024;
/** A callback is repeated until it is answered with 2xx. This many ids are kept to recognise repeats. */
const IDS_KEPT = 10_000;

/**
 * True if the body was signed with the secret, at most 5 minutes ago (https://www.standardwebhooks.com/).
 * @param {string} secret `whsec_…`
 * @param {import('node:http').IncomingHttpHeaders} headers
 * @param {Buffer} body the bytes as they came: JSON that was parsed and written again has another signature
 */
export function isSigned(secret, headers, body, nowMs = Date.now()) {
  const id = headers['webhook-id'];
  const timestamp = headers['webhook-timestamp'];
  if (!(Math.abs(nowMs / 1000 - Number(timestamp)) <= TOLERANCE_S)) return false;
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  const expected = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest();
  return String(headers['webhook-signature'])
    .split(' ')
    .filter((signature) => signature.startsWith('v1,'))
    .map((signature) => Buffer.from(signature.slice('v1,'.length), 'base64'))
    .some((one) => one.length === expected.length && timingSafeEqual(one, expected));
}

/**
 * @param {string} secret
 * `data` is `any` here because its shape depends on `type` (docs/contracts.md).
 * @param {(callback: { id: string, type: string, tenant: string, at: string, data: any }) => void | Promise<void>} handle
 *   called once for each callback; if it throws, the callback comes again later
 */
export function createReceiver(secret, handle) {
  /** @type {Map<string, Promise<void>>} */
  const handled = new Map();
  return createServer(async (request, response) => {
    try {
      const chunks = [];
      let bytes = 0;
      for await (const chunk of request) {
        bytes += chunk.length;
        if (bytes > BODY_LIMIT_BYTES) return response.writeHead(413).end();
        chunks.push(chunk);
      }
      const body = Buffer.concat(chunks);
      if (!isSigned(secret, request.headers, body)) return response.writeHead(401).end();
      const callback = JSON.parse(body.toString());
      const work = handled.get(callback.id) ?? Promise.resolve(callback).then(handle);
      handled.set(callback.id, work);
      const [oldest] = handled.keys();
      if (oldest !== undefined && handled.size > IDS_KEPT) handled.delete(oldest);
      await work.catch((error) => {
        handled.delete(callback.id);
        throw error;
      });
      // LHC could say more in the body: that it refuses, or a line for the operator (docs/contracts.md).
      // 2xx for every type, also for one that this program does not know: anything else means "again, later".
      response.writeHead(204).end();
    } catch (error) {
      console.error(error);
      response.writeHead(500).end();
    }
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { CALLBACK_SECRET, PORT = '8092' } = process.env;
  if (!CALLBACK_SECRET) throw new Error('set CALLBACK_SECRET to the callbackSecret of the tenant');
  createReceiver(CALLBACK_SECRET, ({ type, data }) => {
    if (type === 'chat.message') console.log(`show to ${data.visitor}: ${data.message.body}`);
    else console.log(type, data);
  }).listen(Number(PORT), '127.0.0.1');
}
