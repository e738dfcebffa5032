/** The part of @xmpp/client (0.14) that is used here; it ships no types. */
declare module '@xmpp/client' {
  import type { Client } from '@xmpp/client-core';
  export function client(options: {
    service: string;
    domain: string;
    username: string;
    password: string;
    resource?: string;
  }): Client;
}

/** Beside src/xmpp/xmpp-js.d.ts. */
declare module '@xmpp/xml' {
  export class Parser {
    on(event: 'element', listener: (stanza: Element) => void): this;
    write(text: string): void;
  }
}
