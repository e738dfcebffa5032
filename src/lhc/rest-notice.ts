/** What LHC's REST API says to the operator in its answer to a command. */
import { cut } from '../kit/cut.ts';
import type { Said } from './callback-answer.ts';

/** What LHC answers to a command is cut to so many characters. */
const ANSWER_CHARACTERS = 1_000;

/** The answer of LHC to addmsgadmin, as far as it is read. */
export interface WrittenAnswer {
  readonly r?: unknown;
  readonly msg?: { readonly msg?: unknown; readonly meta_msg?: unknown } | null;
}

/** LHC writes these, and numbers. */
const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', quot: '"', amp: '&' };

/** The text of a piece of a page. */
const textOf = (html: string): string =>
  html
    .replaceAll(/<br\s*\/?>\s*/g, '\n')
    .replaceAll(/<[^>]*>/g, '')
    .replaceAll(/&#(\d{1,6});/g, (_, code) => String.fromCodePoint(Number(code)))
    .replaceAll(/&(lt|gt|quot|amp);/g, (_, name) => ENTITIES[name] ?? '');

/** Behind this is what LHC says to its operator. Before it are the time and LHC's name for itself. */
const ASSISTANT = /^.*class="usr-tit sys-tit"[^>]*>[^<]*<\/span>/s;

/** What LHC answers to a command: behind `||` what became of it, and lines for the page of an operator. */
export function noticeIn({
  r,
  msg,
}: WrittenAnswer): Pick<Extract<Said, { outcome: 'accepted' }>, 'notice'> {
  const page = typeof r === 'string' ? textOf(r.replace(ASSISTANT, '')) : '';
  const said = typeof msg?.msg === 'string' ? (/ \|\| (.*)$/s.exec(msg.msg)?.[1] ?? '') : '';
  const text = cut(`${said}\n${page}`.trim(), ANSWER_CHARACTERS);
  return text === '' ? {} : { notice: { code: 'answer', text } };
}
