import { describe, expect, it } from 'vitest';
import { createTenantDirectory } from '../../../src/actors/tenant/directory.ts';
import { type TenantFact, tenantDecider } from '../../../src/actors/tenant/machine.ts';
import { tenantWith } from '../../support/tenant.ts';
import { scenario } from '../scenario.ts';

const tenant = () => scenario(tenantDecider);
const paused = (endpoint = 'e1'): TenantFact => ({ type: 'CallbacksPaused', data: { endpoint } });
const resumed = (endpoint = 'e2'): TenantFact => ({ type: 'CallbacksResumed', data: { endpoint } });

describe('callbacks after a 410', () => {
  it('are paused once', () => {
    tenant().when({ type: 'PauseCallbacks', endpoint: 'e1' }).then([paused()]);
    tenant().given([paused()]).when({ type: 'PauseCallbacks', endpoint: 'e1' }).then([]);
  });

  it('are resumed when the settings of the endpoint change', () => {
    tenant().given([paused()]).when({ type: 'ResumeCallbacks', endpoint: 'e1' }).then([]);
    tenant().given([paused()]).when({ type: 'ResumeCallbacks', endpoint: 'e2' }).then([resumed()]);
    tenant()
      .given([paused(), resumed()])
      .when({ type: 'ResumeCallbacks', endpoint: 'e2' })
      .then([]);
  });

  it('are paused again if the new endpoint answers 410', () => {
    tenant()
      .given([paused('e1')])
      .when({ type: 'PauseCallbacks', endpoint: 'e2' })
      .then([paused('e2')]);
  });
});

describe('the directory of tenants', () => {
  const settings = (id: string, host: string, instance?: string) =>
    tenantWith({ id, host, instance, apiKey: 'k'.repeat(16) });

  it('finds tenants by id and by host', () => {
    const shop = settings('shop', 'chat.test', 'shop');
    const acme = settings('acme', 'chat.test', 'acme');
    const directory = createTenantDirectory([shop, acme]);
    expect(directory.get(shop.id)).toBe(shop);
    expect(directory.ofHost('chat.test')).toEqual([shop, acme]);
    expect(directory.ofHost('other.test')).toEqual([]);
  });

  it.each([
    [
      'two tenants with one id',
      [settings('a', 'a.test'), settings('a', 'b.test')],
      /another tenant has this id/,
    ],
    [
      'two tenants with one instance',
      [settings('a', 'h.test', 'x'), settings('b', 'h.test', 'x')],
      /same host and instance/,
    ],
    [
      'two tenants without an instance on one host',
      [settings('a', 'h.test'), settings('b', 'h.test')],
      /same host and instance/,
    ],
    [
      'a host with and without instances',
      [settings('a', 'h.test'), settings('b', 'h.test', 'x')],
      /either one tenant without an instance/,
    ],
  ])('refuses %s', (_what, tenants, reason) => {
    expect(() => createTenantDirectory(tenants)).toThrow(reason);
  });
});
