/** A server in the place of an LHC with the `xmppservice` extension: it takes the callbacks of the older modules. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

export interface OldCallback {
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** The raw body. */
  readonly body: string;
}

/** What one site of LHC was told. */
export interface Site {
  /** Every request, in order. */
  readonly requests: readonly OldCallback[];
  /** Messages of operators as `sender>receiver: text`, in order. */
  messages(): readonly string[];
}

export interface XmppserviceLhc extends Site {
  /** Without a path. A tenant's `callbackUrl` is `{origin}/xmppservice`. */
  readonly origin: string;
  /** In hosting: the site whose `callbackUrl` is `{origin}/{name}/xmppservice`. */
  site(name: string): Site;
  /** Sets the status of the answers from now on. Default: 200, with an empty body, as that LHC answers. */
  answer(status: (callback: OldCallback) => number): void;
  close(): Promise<void>;
}

export async function startXmppserviceLhc(): Promise<XmppserviceLhc> {
  const requests: OldCallback[] = [];
  let statusOf: (callback: OldCallback) => number = () => 200;
  const server = createServer(async (request, response) => {
    const callback = {
      path: request.url ?? '',
      headers: request.headers,
      body: await text(request),
    };
    requests.push(callback);
    response.writeHead(statusOf(callback)).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // the server listens on a TCP port
  const siteAt = (prefix: string): Site => ({
    get requests() {
      return requests.filter(({ path }) => path.startsWith(`${prefix}/xmppservice/`));
    },
    messages() {
      const isMessage = ({ path }: OldCallback): boolean => path.endsWith('/processmessage');
      return this.requests.filter(isMessage).map(({ body }) => messageIn(body));
    },
  });
  return {
    ...siteAt(''),
    requests,
    origin: `http://127.0.0.1:${port}`,
    site: (name) => siteAt(`/${name}`),
    answer: (status) => {
      statusOf = status;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** The message of a callback's body, as `sender>receiver: text`. */
export function messageIn(body: string): string {
  const form = new URLSearchParams(body);
  return `${form.get('sender')}>${form.get('receiver')}: ${form.get('body')}`;
}
