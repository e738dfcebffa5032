/**
 * The console's page of a stream with 10,000 facts, in a headless Chromium: from the click on its link until everything is
 * there (list, fact, state chart, context, timers, effects, causes), and from a jump into the middle until that step is. The
 * reference is the time that a person may wait. Needs `npm run build:console`.
 */
import { freePorts } from '../scripts/ejabberd/ports.ts';
import { TenantId, Username, VisitorKey } from '../src/actors/ids.ts';
import type { VisitorCommand } from '../src/actors/visitor/decisions.ts';
import { type ConsolePage, openConsole } from '../test/console/page.ts';
import { ADMIN_TOKEN, makeService, writeTenants } from '../test/support/service.ts';
import { median, type Row } from './row.ts';
import { DELAYS, withLog } from './seed.ts';

const FACTS = 10_000;
const ROUNDS = 7;
const TENANT = 'bench';
const STREAM = `visitor-${TENANT}.busy`;
const LINK = `a[href*="${STREAM}"]`;
/** Aim of the page, and of a step in it. */
const PAGE_MS = 1_000;
const STEP_MS = 300;
const WAIT_MS = 60_000;

/** Nobody needs ejabberd here. Nothing listens on this port. */
async function noEjabberd(): Promise<Record<string, string>> {
  const { http } = await freePorts({});
  return {
    EJABBERD_API_URL: `http://127.0.0.1:${http}/api`,
    EJABBERD_API_USER: 'api@bench.test',
    EJABBERD_API_PASSWORD: 'password of nobody',
    EJABBERD_XMPP: `xmpp://127.0.0.1:${http}`,
    EJABBERD_XMPP_ALLOW_PLAINTEXT: 'true',
    EJABBERD_WEBHOOK_SECRET: `whsec_${Buffer.alloc(32, 1).toString('base64')}`,
  };
}

const OPERATOR = Username.parse('op1');
/** Messages in each direction in one chat. */
const CHAT_MESSAGES = 12;

/** A visitor who looks at pages and chats, over and over. */
function* commands(): Generator<VisitorCommand> {
  for (let n = 0; ; n++) {
    const profile = { page: `https://shop.example/page-${n}`, title: 'Shoes', nick: 'Ann' };
    const digest = String(n).padEnd(22, 'x');
    yield { type: 'ViewPage', digest, department: 'sales', delays: DELAYS, profile };
    if (n % 10 !== 0) continue;
    const chatId = `c${n}`;
    yield { type: 'StartChat', chatId, department: 'sales', delays: DELAYS };
    yield {
      type: 'AssignChat',
      chatId,
      operator: OPERATOR,
      reservation: null,
      reason: 'least-loaded',
    };
    for (let message = 0; message < CHAT_MESSAGES; message++) {
      const messageId = `${chatId}-${message}`;
      yield { type: 'SendMessage', messageId, chatId, body: 'Do you have these in 43?' };
      yield { type: 'ReportMessageTaken', messageIds: [messageId] };
      yield { type: 'ReportMessageDelivered', messageIds: [messageId], by: 'receipt' };
      const answer = { operator: OPERATOR, messageId: `${messageId}-a`, body: 'We have.' };
      yield { type: 'ReceiveOperatorMessage', ...answer };
    }
    yield { type: 'CloseChat', chatId, by: 'visitor', reason: null };
  }
}

const seedStream = (dataDir: string): Promise<void> =>
  withLog(dataDir, async ({ actors, advanceLanes }) => {
    const visitor = actors.visitor(TenantId.parse(TENANT), VisitorKey.parse('busy'));
    for (const command of commands()) {
      if ((await visitor.send(command)).revision + 1 >= FACTS) break;
    }
    await advanceLanes(STREAM, ['lhc', 'xmpp']);
  });

/** An expression that is true when the page shows all of a step. @param step a condition on its revision */
const complete = (step: string): string => `(() => {
  const step = document.querySelector('.step');
  const rows = [...document.querySelectorAll('.fact-row .fact-who')];
  const waits = document.querySelector('[aria-busy=true]');
  const parts = ['fact', 'context', 'timers', 'effects', 'causes'];
  return step !== null && (${step})(Number(step.dataset.revision)) && !waits &&
    parts.every((part) => document.getElementById(part + '-heading')) &&
    document.querySelectorAll('svg [data-active=true]').length === 3 &&
    rows.length > 5 && rows.every((row) => row.textContent !== '…');
})()`;

/** Does something in the browser and measures until the page is complete and painted, in ms. */
const timed = async (page: ConsolePage, act: string, step: string): Promise<number> =>
  Number(
    await page.evaluate(`new Promise((resolve, reject) => {
      const start = performance.now();
      ${act};
      const look = () => {
        if (${complete(step)}) requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - start)));
        else if (performance.now() - start > ${WAIT_MS}) reject(new Error('the page does not become complete'));
        else requestAnimationFrame(look);
      };
      look();
    })`),
  );

/** @param page logged in */
async function measure(page: ConsolePage): Promise<Row[]> {
  const opened: number[] = [];
  const stepped: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    await page.open(`/console/streams?category=visitor&tenant=${TENANT}`);
    await page.has(LINK);
    const click = `document.querySelector('${LINK}').click()`;
    opened.push(await timed(page, click, `(revision) => revision >= ${FACTS - 1}`));
    const middle = 1_000 + round * 1_000;
    const go = `(() => {
      const slider = document.querySelector('input[type=range]');
      Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set.call(slider, '${middle}');
      slider.dispatchEvent(new Event('input', { bubbles: true }));
    })()`;
    stepped.push(await timed(page, go, `(revision) => revision === ${middle}`));
  }
  const row = (name: string, values: readonly number[], reference: number): Row => {
    const value = median(values);
    return {
      name,
      value,
      unit: 'ms',
      reference,
      ratio: value / reference,
      aim: 1,
      better: 'lower',
    };
  };
  return [
    row('console: a stream of 10,000 facts', opened, PAGE_MS),
    row('console: a step in its middle', stepped, STEP_MS),
  ];
}

export async function benchConsole(): Promise<Row[]> {
  const service = await makeService();
  let page: ConsolePage | undefined;
  try {
    await writeTenants(service, [
      { id: TENANT, host: 'bench.test', apiKey: 'key-of-the-bench-0123456789' },
    ]);
    Object.assign(service.settings, await noEjabberd());
    await seedStream(service.dataDir);
    await service.start();
    page = await openConsole(service.url);
    await page.logIn(ADMIN_TOKEN);
    await page.sees(TENANT);
    return await measure(page);
  } finally {
    await page?.close();
    await service.close();
  }
}
