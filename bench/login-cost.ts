/**
 * What the login of an operator's client costs with N visible visitors: the stanzas that pass, by kind, with their bytes.
 *
 * `npm run bench:login -- N [SECONDS]` shows N visitors on a private ejabberd, prints a port and an account, and
 * counts what each client that logs in there (without TLS) says and hears until nothing passes for some seconds. Meanwhile
 * a client of this program logs in once as a reference: it fetches the roster and sends a presence, and no more.
 * docs/ejabberd.md has results.
 */
import { type AddressInfo, connect, createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { type Element, Parser } from '@xmpp/xml';
import { connectOperator } from '../test/support/operator.ts';
import { startRig } from './rig.ts';

/** A login is over when nothing has passed for so long. */
const QUIET_MS = 5_000;
const VIEWS_AT_ONCE = 50;
const SHOW_DEADLINE_MS = 300_000;

interface Count {
  stanzas: number;
  bytes: number;
}

/** What a stanza is about: its name and type, and the namespaces of its children. */
function kindOf(stanza: Element): string {
  const { type, from } = stanza.attrs;
  const about = stanza
    .getChildElements()
    .map((child) => {
      const items = child.getChild('items') ?? child.getChild('event')?.getChild('items');
      return `${child.name} ${child.attrs.xmlns ?? ''} ${items?.attrs.node ?? ''}`.trim();
    })
    .filter((text) => stanza.name === 'iq' || /pubsub|muc/.test(text));
  const who = stanza.name === 'presence' && from?.startsWith('visitor') ? 'of a visitor' : '';
  return [stanza.name, type, who, ...about].filter(Boolean).join(' ');
}

/** Counts the stanzas of one direction of a connection. */
function counter(): { take(chunk: Buffer): void; counts: Map<string, Count> } {
  const counts = new Map<string, Count>();
  let parser = listening();
  function listening(): Parser {
    const next = new Parser();
    next.on('element', (stanza: Element) => {
      const kind = kindOf(stanza);
      const known = counts.get(kind) ?? { stanzas: 0, bytes: 0 };
      known.stanzas += 1;
      known.bytes += Buffer.byteLength(stanza.toString());
      counts.set(kind, known);
    });
    return next;
  }
  return {
    counts,
    take(chunk) {
      // After the login the stream begins anew.
      for (const [n, part] of chunk
        .toString('utf8')
        .split(/(?:<\?xml[^>]*>\s*)?(?=<stream:stream)/)
        .entries()) {
        if (n > 0 || part.startsWith('<stream:stream')) parser = listening();
        parser.write(part);
      }
    },
  };
}

function print(what: string, ms: number, sides: Record<string, Map<string, Count>>): void {
  console.log(`\n${what}: ${(ms / 1000).toFixed(1)} s`);
  for (const [side, counts] of Object.entries(sides)) {
    for (const [kind, { stanzas, bytes }] of [...counts].toSorted(
      (a, b) => b[1].bytes - a[1].bytes,
    )) {
      console.log(
        `  ${side} ${String(stanzas).padStart(6)} ${String(bytes).padStart(9)} B  ${kind}`,
      );
    }
  }
}

const [visitors = 300, seconds = 0] = process.argv.slice(2).map(Number);
const rig = await startRig([]);
try {
  const target = Number(new URL(rig.ejabberd.xmpp).port);
  let logins = 0;
  const relay = createServer((client) => {
    const name = `login ${++logins}`;
    const began = performance.now();
    let last = began;
    let isOver = false;
    const [out, back] = [counter(), counter()];
    const server = connect(target, '127.0.0.1');
    const passes = (to: typeof server, count: typeof out) => (chunk: Buffer) => {
      if (!isOver) {
        last = performance.now();
        count.take(chunk);
      }
      to.write(chunk);
    };
    client.on('data', passes(server, out)).on('error', () => server.destroy());
    server.on('data', passes(client, back)).on('error', () => client.destroy());
    const end = (): void => {
      client.destroy();
      server.destroy();
    };
    client.on('close', end);
    server.on('close', end);
    const watch = setInterval(() => {
      if (performance.now() - last < QUIET_MS && !client.destroyed) return;
      clearInterval(watch);
      isOver = true;
      print(name, last - began, { 'sent    ': out.counts, received: back.counts });
    }, 200);
  });
  await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve));
  const { port } = relay.address() as AddressInfo; // The relay listens on a TCP port.
  const login = { domain: rig.ejabberd.host, ...rig.operator };

  const show = async (): Promise<void> => {
    for (let from = 0; from < visitors; from += VIEWS_AT_ONCE) {
      const some = Array.from(
        { length: Math.min(VIEWS_AT_ONCE, visitors - from) },
        (_, n) => n + from,
      );
      await Promise.all(
        some.map((n) =>
          rig.http('POST', `/visitors/v${n}/page-views`, {
            page: `https://shop.example.org/p/${n % 40}`,
            title: `Product ${n % 40}`,
            country: 'Germany',
            city: 'Berlin',
          }),
        ),
      );
    }
    await rig.settled(SHOW_DEADLINE_MS);
  };
  await show();
  console.log(`${visitors} visitors are shown`);
  const reference = await connectOperator({ service: `xmpp://127.0.0.1:${port}`, ...login });
  await delay(QUIET_MS + 2_000);
  await reference.disconnect();
  if (seconds > 0) {
    console.log(
      `log in as ${login.username}@${login.domain}, password ${login.password}, port ${port}`,
    );
    await delay(seconds * 1_000);
  }
} finally {
  await rig.close();
}
process.exit(0);
