/**
 * The parts of xmpp.js (0.14) that we use. It ships no types; these are written from its sources and say no more than
 * we rely on.
 */
declare module '@xmpp/xml' {
  import type { EventEmitter } from 'node:events';
  export type Node = Element | string;
  export class Element {
    name: string;
    attrs: Record<string, string | undefined>;
    children: Node[];
    parent: Element | null;
    is(name: string, xmlns?: string): boolean;
    getNS(): string | undefined;
    getChild(name: string, xmlns?: string): Element | undefined;
    getChildren(name: string, xmlns?: string): Element[];
    getChildElements(): Element[];
    getChildText(name: string, xmlns?: string): string | null;
    text(): string;
    append(...nodes: Node[]): void;
    toString(): string;
  }
  /** Emits `start` for the root, `element` for each of its children, `end`, and `error` for what is not well-formed. */
  export class Parser extends EventEmitter {
    root: Element | null;
    write(text: string): void;
  }
  export default function xml(
    name: string,
    attrs?: string | Record<string, string | undefined>,
    ...children: (Node | undefined)[]
  ): Element;
}

declare module '@xmpp/client-core' {
  import type { EventEmitter } from 'node:events';
  import type { Element } from '@xmpp/xml';

  export interface Socket extends EventEmitter {
    /** The socket below a TLS or WebSocket one; null when that is gone. */
    socket?: { destroy?(): void; close?(): void; setNoDelay?(on: boolean): void } | null;
    setNoDelay?(on: boolean): void;
    destroy?(): void;
    end(): void;
  }

  type ClientOptions = { service: string; domain: string; lang?: string };

  export class Client extends EventEmitter {
    constructor(options: ClientOptions);
    readonly options: ClientOptions;
    jid: { toString(): string } | null;
    status: string;
    socket: Socket | null;
    transports: unknown[];
    parser: object | null;
    /** Called for every socket: the first, and the one that TLS puts over it. */
    _attachSocket(socket: Socket): void;
    _onData(data: Buffer | string): void;
    _onSeeOtherHost(error: unknown): void;
    isSecure(): boolean;
    start(): Promise<unknown>;
    /** Connects the socket; the first half of `start`. */
    connect(service: string): Promise<unknown>;
    /** Opens the stream: resolves with the other side's header, rejects after 2 s without. */
    open(options: { domain: string; lang?: string }): Promise<unknown>;
    /** Closes the stream, then the socket; waits up to 2 s for each. */
    stop(): Promise<unknown>;
    send(element: Element): Promise<void>;
    sendMany(elements: Iterable<Element>): Promise<void>;
  }
}

declare module '@xmpp/middleware' {
  import type { Client } from '@xmpp/client-core';
  export interface Middleware {
    use(handler: unknown): unknown;
  }
  export default function middleware(options: { entity: Client }): Middleware;
}

declare module '@xmpp/stream-features' {
  import type { Middleware } from '@xmpp/middleware';
  export interface StreamFeatures {
    use(name: string, xmlns: string, handler: unknown): unknown;
  }
  export default function streamFeatures(options: { middleware: Middleware }): StreamFeatures;
}

declare module '@xmpp/iq/caller.js' {
  import type { Client } from '@xmpp/client-core';
  import type { Middleware } from '@xmpp/middleware';
  import type { Element } from '@xmpp/xml';
  export interface IqCaller {
    request(stanza: Element, timeoutMs?: number): Promise<Element>;
  }
  export default function iqCaller(options: { middleware: Middleware; entity: Client }): IqCaller;
}

declare module '@xmpp/tcp' {
  import type { Client } from '@xmpp/client-core';
  export default function tcp(options: { entity: Client }): void;
}

declare module '@xmpp/tls' {
  import type { Client } from '@xmpp/client-core';
  export default function tls(options: { entity: Client }): void;
}

declare module '@xmpp/websocket' {
  import type { Client } from '@xmpp/client-core';
  export default function websocket(options: { entity: Client }): void;
}

declare module '@xmpp/starttls' {
  import type { StreamFeatures } from '@xmpp/stream-features';
  export default function starttls(options: { streamFeatures: StreamFeatures }): void;
}

declare module '@xmpp/resource-binding' {
  import type { IqCaller } from '@xmpp/iq/caller.js';
  import type { StreamFeatures } from '@xmpp/stream-features';
  export default function resourceBinding(
    options: { streamFeatures: StreamFeatures; iqCaller: IqCaller },
    resource: string,
  ): void;
}

declare module '@xmpp/sasl' {
  import type { StreamFeatures } from '@xmpp/stream-features';

  type Credentials = { readonly username: string; readonly password: string };
  export default function sasl(
    options: { streamFeatures: StreamFeatures; saslFactory: object },
    onAuthenticate: (
      authenticate: (credentials: Credentials, mechanism: string) => Promise<void>,
      mechanisms: string[],
    ) => Promise<void>,
  ): void;
}

declare module '@xmpp/sasl-plain' {
  export default function plain(saslFactory: object): void;
}

declare module 'saslmechanisms' {
  export default class SASLFactory {}
}
