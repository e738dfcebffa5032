/** The errors of a service that cannot start. */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { makeService, type Service, writeTenants } from '../support/service.ts';

const service = await makeService();
afterAll(() => service.close());

const VALID = {
  EJABBERD_API_URL: 'http://127.0.0.1:2/api',
  EJABBERD_API_USER: 'api@xmpp.test',
  EJABBERD_API_PASSWORD: 'pw',
  EJABBERD_XMPP: 'xmpp://127.0.0.1:1',
  EJABBERD_WEBHOOK_SECRET: `whsec_${Buffer.alloc(32).toString('base64')}`,
};
const serve = async (of: Service & { settings: Record<string, string> }, settings: object) => {
  Object.assign(of.settings, settings);
  return of.cli('serve');
};

it('names every wrong setting but no secret, and exits with 1', async () => {
  await writeTenants(service, [
    { id: 'acme', host: 'xmpp.test', apiKey: 'short', hardTimeout: -1 },
    { id: 'chat', host: 'xmpp.test', apiKey: 'long-enough-to-be-a-key' },
  ]);
  const { code, output } = await serve(service, {
    ...VALID,
    LISTEN: 'nowhere',
    ADMIN_TOKEN: 'tiny-secret',
    EJABBERD_API_USER: 'no-jid',
    EJABBERD_API_PASSWORD: '',
    EJABBERD_WEBHOOK_SECRET: 'whsec_wrong secret',
    DEADLINE_GRACE: 'soon',
  });
  expect(code).toBe(1);
  for (const name of ['LISTEN', 'ADMIN_TOKEN', 'EJABBERD_API_USER', 'EJABBERD_WEBHOOK_SECRET']) {
    expect(output).toMatch(new RegExp(`^ +${name}: `, 'm'));
  }
  expect(output).toMatch(/^ +EJABBERD_API_PASSWORD: is not set$/m);
  expect(output).toMatch(/^ +DEADLINE_GRACE: /m);
  expect(output).toMatch(/TENANTS_FILE: tenant acme, apiKey: /);
  expect(output).toMatch(/TENANTS_FILE: tenant acme, hardTimeout: /);
  expect(output).toMatch(/TENANTS_FILE: tenant "chat", id: /);
  expect(output).not.toMatch(/tiny-secret|wrong secret|short|\n {4}at /);
});

it('names LISTEN if the port is in use', async () => {
  const other = await makeService();
  await writeTenants(service, [
    { id: 'acme', host: 'xmpp.test', apiKey: 'long-enough-to-be-a-key' },
  ]);
  const valid = { ...VALID, ADMIN_TOKEN: 'admin-token-of-the-tests', DEADLINE_GRACE: '0' };
  Object.assign(service.settings, { ...valid, LISTEN: `127.0.0.1:${service.port}` });
  await service.start();
  try {
    const { LISTEN = '', TENANTS_FILE = '' } = service.settings;
    const { code, output } = await serve(other, { ...valid, LISTEN, TENANTS_FILE });
    expect(code).toBe(1);
    expect(output).toMatch(/another program uses .+: set LISTEN/);
    expect(output).not.toMatch(/\n {4}at /);
  } finally {
    await service.stop();
    await other.close();
  }
});

it('starts with a .env that has a byte order mark, and names what is probably a slip', async () => {
  const path = join(service.dir, '.env');
  await writeTenants(service, [
    { id: 'acme', host: 'xmpp.test', apiKey: 'long-enough-to-be-a-key' },
  ]);
  const { EJABBERD_API_USER, ...others } = VALID;
  await writeFile(path, `\ufeffEJABBERD_API_USER=${EJABBERD_API_USER}\r\nEJABBERD_XMP=cAnArY\r\n`);
  Object.assign(service.settings, { ...others, LISTEN: `127.0.0.1:${service.port}` });
  delete service.settings.EJABBERD_API_USER;
  await service.start();
  await service.stop();
  await rm(path);
  expect(service.logs()).toMatch(/EJABBERD_XMP: there is no such setting; EJABBERD_XMPP is meant/);
  expect(service.logs()).not.toContain('cAnArY');
});

it('does not start with a wrong secret, and seals nothing with it', async () => {
  await writeTenants(service, [
    { id: 'acme', host: 'xmpp.test', apiKey: 'long-enough-to-be-a-key' },
  ]);
  const valid = { ...VALID, ADMIN_TOKEN: 'admin-token-of-the-tests', DEADLINE_GRACE: '0' };
  Object.assign(service.settings, { ...valid, LISTEN: `127.0.0.1:${service.port}` });
  await service.start();
  const view = { page: 'https://shop.example/', nick: 'Anna' };
  const answer = await service.call('POST', '/v1/acme/visitors/anna/page-views', view);
  expect(answer.status).toBe(202);
  await service.stop();

  const other = 'another-secret-of-at-least-32-characters';
  const refused = await serve(service, { SERVICE_SECRET: other });
  expect(refused.code).toBe(1);
  expect(refused.output).toMatch(/not the one that the log was written with.*set SERVICE_SECRET/);
  expect(refused.output).not.toMatch(new RegExp(`${other}|\n {4}at `));

  delete service.settings.SERVICE_SECRET;
  await service.start();
  await service.stop();
});
