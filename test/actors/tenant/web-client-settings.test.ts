import { describe, expect, test } from 'vitest';
import { WebClient } from '../../../src/actors/tenant/web-client-settings.ts';

const faultsOf = (wishes: object) => [
  ...new Set(
    WebClient.safeParse({ enabled: true, ...wishes }).error?.issues.map(({ path }) =>
      path.join('.'),
    ),
  ),
];

describe('the settings of the web client', () => {
  test.each([
    { websocket: 'wss://chat.example.org/ws' },
    { websocket: 'wss://chat.example.org:443/xmpp/socket' },
    { websocket: 'ws://127.0.0.1:5280/ws' },
    { websocket: 'ws://localhost:5280/ws' },
    { websocket: 'ws://[::1]:5280/ws' },
    { uploads: 'https://files.example.org:5443' },
    { framedBy: ['https://lhc.example.org', 'http://localhost:8080'] },
    { title: 'Acme & Söhne', language: 'de' },
    { language: 'zh_CN' },
    { enabled: false },
  ])('take %j', (wishes) => {
    expect(faultsOf(wishes)).toEqual([]);
  });

  test.each<[string, object]>([
    // A password over it would be readable on the way.
    ['websocket', { websocket: 'ws://chat.example.org/ws' }],
    ['websocket', { websocket: 'https://chat.example.org/ws' }],
    ['websocket', { websocket: 'wss://user:secret@chat.example.org/ws' }],
    ['websocket', { websocket: 'wss://chat.example.org/ws?key=1' }],
    ['websocket', { websocket: '/ws' }],
    ['websocket', { websocket: '' }],
    // Each of these would be another word of the policy.
    ['websocket', { websocket: 'wss://*.example.org/ws' }],
    ['websocket', { websocket: 'wss://chat.example.org;script-src * /ws' }],
    ['uploads', { uploads: 'https://files.example.org *' }],
    ['uploads', { uploads: 'https://*' }],
    ['uploads', { uploads: 'https://files.example.org/upload' }],
    ['uploads', { uploads: "'unsafe-inline'" }],
    ['framedBy.0', { framedBy: ['*'] }],
    ['framedBy.1', { framedBy: ['https://lhc.example.org', 'http://lhc.example.org'] }],
    ['framedBy', { framedBy: Array(11).fill('https://lhc.example.org') }],
    ['title', { title: 'a\nb' }],
    ['title', { title: '' }],
    ['title', { title: 'x'.repeat(65) }],
    ['language', { language: 'Deutsch' }],
    ['language', { language: 'de"><script>' }],
    ['enabled', { enabled: 'true' }],
    ['', { password: 'secret' }],
  ])('name %s in %j', (field, wishes) => {
    expect(faultsOf(wishes)).toEqual([field]);
  });
});
