/** What the page thinks without a browser. */
import { describe, expect, it, test } from 'vitest';
import { localPartOf } from '../../web-client/src/login.ts';
import { websocketOf } from '../../web-client/src/settings.ts';
import { allowedHtml } from '../../web-client/src/trusted-types.ts';

describe('who logs in', () => {
  const alone = { host: 'chat.test', suffix: '' };
  const instance = { host: 'hosting.test', suffix: '.shop1' };
  test.each([
    [alone, 'olga', 'olga'],
    [alone, ' Olga ', 'olga'],
    [alone, 'olga@chat.test', 'olga'],
    [alone, 'olga@other.test', 'olga@other.test'],
    [alone, '', ''],
    [instance, 'olga', 'olga.shop1'],
    [instance, 'olga.shop1', 'olga.shop1'],
    [instance, 'Olga.Shop1@Hosting.test', 'olga.shop1'],
    [instance, 'olga.shop2', 'olga.shop2.shop1'],
    [instance, 'olga.shop2@hosting.test', 'olga.shop2.shop1'],
  ])('%j: %j is %j', (naming, typed, local) => {
    expect(localPartOf(typed, naming)).toBe(local);
  });
});

describe('the WebSocket', () => {
  test.each([
    [null, 'https://chat.test/operator/acme', 'wss://chat.test/ws'],
    [null, 'http://127.0.0.1:8090/operator/acme?x#y', 'ws://127.0.0.1:8090/ws'],
    ['wss://x.test:5443/ws', 'https://chat.test/operator/acme', 'wss://x.test:5443/ws'],
  ])('%j on %s is %s', (websocket, page, address) => {
    expect(websocketOf({ websocket }, page)).toBe(address);
  });
});

describe('what may become HTML', () => {
  it('is no text that somebody wrote', () => {
    for (const text of [
      '<img src=x onerror=alert(1)>',
      '<a href="javascript:alert(1)">x</a>',
      "<a id='sizzle1'></a><img src=x onerror=alert(1)>",
      '<input/><script>alert(1)</script>',
      '<value><img src=x></value>',
      "<a href='#'></a>\n<b>",
    ]) {
      for (const sink of ['Element innerHTML', 'Element insertAdjacentHTML', 'Document write']) {
        expect(allowedHtml(text, sink)).not.toContain('<');
      }
    }
  });

  it('is a constant text of a library', () => {
    for (const text of ["<a href='#'></a>", '<input/>', '<value>a &amp; b</value>']) {
      expect(allowedHtml(text, 'Element innerHTML')).toBe(text);
    }
  });

  it('is a document of its own, which each stanza is', () => {
    const stanza = '<message><body>x</body></message>';
    expect(allowedHtml(stanza, 'DOMParser parseFromString')).toBe(stanza);
  });
});
