/** The component transport against a real ejabberd with mod_lhc, observed by an operator's client. */
import { setTimeout as delay } from 'node:timers/promises';
import xml, { type Element } from '@xmpp/xml';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createEjabberdAdmin } from '../../../src/xmpp/admin/admin.ts';
import {
  type ComponentOptions,
  createComponentTransport,
} from '../../../src/xmpp/component/component.ts';
import type { ComponentTransport, Contact } from '../../../src/xmpp/port.ts';
import { startReceiver } from '../../ejabberd/receiver.ts';
import { testEjabberd } from '../../support/ejabberd.ts';
import { connectOperator, type Operator } from '../../support/operator.ts';
import { waitFor } from '../../support/wait.ts';
import { recorded, SUITE_EJABBERD, testTransport } from '../transport-suite.ts';

const SECRET = 'component-secret';
const receiver = await startReceiver();
const ejabberd = await testEjabberd({
  ...SUITE_EJABBERD,
  webhook: { url: receiver.url, secret: receiver.secret },
  component: { secret: SECRET },
});
const { host } = ejabberd;
const domain = `visitors.${host}`;
const admin = createEjabberdAdmin({ url: ejabberd.apiUrl, ...ejabberd.api });
const operatorJid = `op1@${host}`;
const logger = pino({ level: process.env.LOG_LEVEL ?? 'silent' });
const transports: ComponentTransport[] = [];
let operator: Operator;
let visitors = 0;

async function newVisitor(): Promise<string> {
  visitors += 1;
  return `visitor.${visitors}@${domain}`;
}

function transport(options: Partial<ComponentOptions> = {}) {
  const component = createComponentTransport({
    listener: { host: '127.0.0.1', port: ejabberd.componentPort, secret: SECRET },
    host,
    domain,
    logger,
    retry: { firstMs: 50, mostMs: 500 },
    ...options,
  });
  transports.push(component);
  return recorded(component);
}

const connect = (username = 'op1'): Promise<Operator> =>
  connectOperator({ service: ejabberd.xmpp, domain: host, username, password: 'secret' });

beforeAll(() => ejabberd.registerOperator('op1', 'secret'));
beforeEach(async () => {
  operator = await connect();
  return async () => {
    await Promise.all(transports.splice(0).map((each) => each.close(2_000)));
    await operator.disconnect();
  };
});
afterAll(() => receiver.close());

testTransport({
  ejabberd,
  admin,
  operator: () => operator,
  newVisitor,
  transport,
  register: (username) => ejabberd.registerOperator(username, 'secret'),
  connect,
});
