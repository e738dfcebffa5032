import { describe, expect, it } from 'vitest';
import { createTenantDirectory } from '../../../src/actors/tenant/directory.ts';
import { type TenantFact, tenantDecider } from '../../../src/actors/tenant/machine.ts';
import { TenantSettings } from '../../../src/actors/tenant/settings.ts';
import { scenario } from '../scenario.ts';

const tenant = () => scenario(tenantDecider);
const paused = (endpoint = 'e1'): TenantFact => ({ type: 'CallbacksPaused', data: { endpoint } });
const resumed = (endpoint = 'e2'): TenantFact => ({ type: 'CallbacksResumed', data: { endpoint } });

describe('callbacks that LHC wants no more (410)', () => {
  it('are paused, once', () => {
    tenant().when({ type: 'PauseCallbacks', endpoint: 'e1' }).then([paused()]);
    tenant().given([paused()]).when({ type: 'PauseCallbacks', endpoint: 'e1' }).then([]);
  });

  it('go on when their settings are others', () => {
    tenant().given([paused()]).when({ type: 'ResumeCallbacks', endpoint: 'e1' }).then([]);
    tenant().given([paused()]).when({ type: 'ResumeCallbacks', endpoint: 'e2' }).then([resumed()]);
    tenant()
      .given([paused(), resumed()])
      .when({ type: 'ResumeCallbacks', endpoint: 'e2' })
      .then([]);
  });

  it('are paused for the new endpoint as well', () => {
    tenant()
      .given([paused('e1')])
      .when({ type: 'PauseCallbacks', endpoint: 'e2' })
      .then([paused('e2')]);
  });
});

describe('the directory of tenants', () => {
  const settings = (id: string, host: string, instance?: string) =>
    TenantSettings.parse({ id, host, instance, apiKey: 'k'.repeat(16) });

  it('knows them by id and by host', () => {
    const shop = settings('shop', 'chat.test', 'shop');
    const acme = settings('acme', 'chat.test', 'acme');
    const directory = createTenantDirectory([shop, acme]);
    expect(directory.get(shop.id)).toBe(shop);
    expect(directory.ofHost('chat.test')).toEqual([shop, acme]);
    expect(directory.ofHost('other.test')).toEqual([]);
  });

  it.each([
    ['an id twice', [settings('a', 'a.test'), settings('a', 'b.test')], /stands twice/],
    [
      'an instance twice',
      [settings('a', 'h.test', 'x'), settings('b', 'h.test', 'x')],
      /are those of/,
    ],
    ['a standalone host twice', [settings('a', 'h.test'), settings('b', 'h.test')], /are those of/],
    [
      'a host of both kinds',
      [settings('a', 'h.test'), settings('b', 'h.test', 'x')],
      /either standalone/,
    ],
  ])('refuses %s', (_what, tenants, reason) => {
    expect(() => createTenantDirectory(tenants)).toThrow(reason);
  });
});
