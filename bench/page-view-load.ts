/**
 * The load of page views, in a process of its own, over raw-http.ts. The requests are prepared, and only
 * the number of the page changes. A request takes some 10 µs, so the load itself hardly counts in the measurement.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { answerParent } from './processes.ts';
import { openConnection } from './raw-http.ts';

export interface PageViewLoad {
  readonly port: number;
  readonly tenant: string;
  readonly apiKey: string;
  readonly visitors: number;
  /** Each connection has an equal share of the visitors, and one request at a time. */
  readonly connections: number;
  /** After this time only visitors without any request yet get one. */
  readonly ms: number;
  /** Every request of all runs has another page. */
  readonly firstPage: number;
  /** Requests a second over all connections; default as fast as the answers come. */
  readonly rate?: number;
  /** The page views of the xmppservice wire instead of the native API's. */
  readonly xmppservice?: { readonly host: string; readonly secretKey: string };
}

export interface PageViewCounts {
  /** Answers by status. */
  readonly statuses: Readonly<Record<string, number>>;
  readonly ms: number;
  readonly nextPage: number;
  /** The body of the last answer. */
  readonly last: string;
}

const PAGE = 'https://shop.example/catalogue/page-';
const DIGITS = 10;
/** As LHC makes them up; the service uses none. */
const PASSWORD = '58fb5e0aeac7a4935ca4';

/** The key of the n-th visitor, the same in the warm-up and the load. */
const visitorKey = (n: number): string => `bench-${n}`;

interface Prepared {
  readonly bytes: Buffer;
  readonly pageAt: number;
}

/** A page view as LHC sends it, some 300 bytes. */
function prepare(load: PageViewLoad, n: number): Prepared {
  const page = `${PAGE}${'0'.repeat(DIGITS)}`;
  const { tenant, apiKey, port, xmppservice } = load;
  if (xmppservice) {
    const { host, secretKey } = xmppservice;
    const status = `${page}\n| Time zone: Europe/Berlin (10:11:12)\n| Last activity ago: 0 s.\n| Visits - 3`;
    const jid = `visitor.${visitorKey(n)}@${host}`;
    const about = { jid, pass: PASSWORD, host: 'localhost', nick: `Visitor ${n}`, status };
    const body = JSON.stringify({ ...about, secret_key: secretKey });
    return prepared(port, '/xmpp', [], body, page);
  }
  const body = JSON.stringify({
    page,
    title: 'Running shoes for every day – Shoes – Shop',
    referrer: 'https://search.example/?q=running+shoes',
    nick: `Visitor ${n}`,
    country: 'Germany',
    city: 'Berlin',
    timezone: 'Europe/Berlin',
    visits: 3,
    department: 'sales',
  });
  const path = `/v1/${tenant}/visitors/${visitorKey(n)}/page-views`;
  return prepared(port, path, [`Authorization: Bearer ${apiKey}`], body, page);
}

/** @param page what changes with each request */
function prepared(
  port: number,
  path: string,
  headers: readonly string[],
  body: string,
  page: string,
): Prepared {
  const head = [
    `POST ${path} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    ...headers,
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
  ];
  const bytes = Buffer.from(`${head.join('\r\n')}\r\n\r\n${body}`);
  return { bytes, pageAt: bytes.indexOf(page) + PAGE.length };
}

async function run(load: PageViewLoad): Promise<PageViewCounts> {
  const statuses: Record<string, number> = {};
  let page = load.firstPage;
  let last = '';
  const share = Math.ceil(load.visitors / load.connections);

  async function drive(n: number): Promise<void> {
    const count = Math.min(share, load.visitors - n * share);
    const requests = Array.from({ length: count }, (_, i) => prepare(load, n * share + i));
    const connection = openConnection(load.port);
    const every = load.rate ? (load.connections / load.rate) * 1000 : 0;
    let due = performance.now() + (every * n) / load.connections;
    for (let i = 0; performance.now() < end || i < count; i++) {
      if (every > 0) {
        await delay(Math.max(0, due - performance.now()));
        due += every;
      }
      const request = requests[i % count];
      if (!request) break;
      page += 1;
      request.bytes.write(String(page).padStart(DIGITS, '0'), request.pageAt, 'latin1');
      const text = await connection.ask(request.bytes);
      const status = text.slice(9, 12);
      statuses[status] = (statuses[status] ?? 0) + 1;
      last = text;
    }
    connection.close();
  }

  const start = performance.now();
  const end = start + load.ms;
  await Promise.all(Array.from({ length: load.connections }, (_, i) => drive(i)));
  const body = last.slice(last.indexOf('\r\n\r\n') + 4);
  return { statuses, ms: performance.now() - start, nextPage: page + 1, last: body };
}

answerParent(run);
