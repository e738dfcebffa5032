/** The state charts in docs/architecture.md agree with the machines. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { AnyStateNode } from 'xstate';
import { operatorMachine } from '../../src/actors/operator/machine.ts';
import { visitorMachine } from '../../src/actors/visitor/machine.ts';

/** A chart as lines: `online --> timedOut : TimedOut`, `online (hardTimeout)`, `[*] --> online`. */
interface Chart {
  readonly arrows: readonly string[];
  readonly timers: readonly string[];
}

const ARROW = /^ *(\S+) --> (\w+)(?: : (.+))?$/gm;
const ALIAS = /^ *state "(\w+)" as (\w+)$/gm;

/** One region of a chart in the document. */
function drawn(text: string): Chart {
  const aliases = new Map([...text.matchAll(ALIAS)].map(([, label, id]) => [id, label]));
  const nameOf = (id: string): string => aliases.get(id) ?? id;
  const arrows: string[] = [];
  const timers: string[] = [];
  for (const [, from = '', to = '', labels = ''] of text.matchAll(ARROW)) {
    for (const label of labels.split(', ')) {
      const [, fact = '', timer] = /^(\w*)(?: \((\w+)\))?$/.exec(label) ?? [];
      arrows.push(`${nameOf(from)} --> ${nameOf(to)}${fact && ` : ${fact}`}`);
      if (timer) timers.push(`${nameOf(from)} (${timer})`);
    }
  }
  return { arrows: arrows.sort(), timers: timers.sort() };
}

/** The arrows that leave this node itself. A transition without a target has no arrow. */
function arrowsOf(node: AnyStateNode, from: string): string[] {
  const byFacts = [...node.transitions].flatMap(([type, transitions]) =>
    transitions.map(({ target }) => ({ target, label: ` : ${type}` })),
  );
  const byThemselves = (node.always ?? []).map(({ target }) => ({ target, label: '' }));
  return [...byFacts, ...byThemselves].flatMap(({ target, label }) =>
    (target ?? []).map((to) => `${from} --> ${to.key}${label}`),
  );
}

/** One region of a machine. `anywhere`: arrows that leave each of its states. */
function real(region: AnyStateNode): Chart & { readonly anywhere: readonly string[] } {
  const states: AnyStateNode[] = Object.values(region.states);
  const initial = region.initial.target.map((state) => `[*] --> ${state.key}`);
  return {
    arrows: [...initial, ...states.flatMap((state) => arrowsOf(state, state.key))],
    timers: states.flatMap((state) => state.after.map(({ delay }) => `${state.key} (${delay})`)),
    anywhere: states.flatMap((state) => arrowsOf(region, state.key)),
  };
}

/** The differences. An arrow that leaves each state has to be drawn at least once, where decisions use it. */
function differences(chart: Chart, region: AnyStateNode): string[] {
  const { arrows, timers, anywhere } = real(region);
  const drawnOnce = (arrow: string): boolean => {
    const [, label = ''] = arrow.split(' : ');
    return chart.arrows.some((each) => each.endsWith(` : ${label}`));
  };
  return [
    ...arrows.filter((each) => !chart.arrows.includes(each)).map((each) => `not drawn: ${each}`),
    ...anywhere.filter((each) => !drawnOnce(each)).map((each) => `not drawn: ${each}`),
    ...timers.filter((each) => !chart.timers.includes(each)).map((each) => `not drawn: ${each}`),
    ...[...chart.arrows, ...chart.timers]
      .filter((each) => ![...arrows, ...timers, ...anywhere].includes(each))
      .map((each) => `not in the machine: ${each}`),
  ];
}

const document = readFileSync(join(import.meta.dirname, '../../docs/architecture.md'), 'utf8');
const charts = [...document.matchAll(/```mermaid\nstateDiagram-v2\n([\s\S]*?)```/g)].map(
  ([, text = '']) => text,
);

describe('the chart in docs/architecture.md', () => {
  it('of the visitor agrees with the machine', () => {
    const regions = charts.find((text) => text.includes('state Visitor {'))?.split(/^ *--$/m) ?? [];
    const machine: AnyStateNode[] = Object.values(visitorMachine.root.states);
    expect(machine.map(({ key }) => key)).toEqual(['presence', 'conversation', 'offer']);
    expect(regions).toHaveLength(machine.length);
    const found = machine.flatMap((region, n) => differences(drawn(regions[n] ?? ''), region));
    expect(found).toEqual([]);
  });

  it('of the operator agrees with the machine', () => {
    const chart = drawn(charts.find((text) => text.includes('offline --> available')) ?? '');
    // The text has its timer and the facts that arm it again: they change no state.
    const found = differences(chart, operatorMachine.root).filter(
      (each) => !/ offline (--> offline : |\(ownerGrace\))/.test(each),
    );
    expect(found).toEqual([]);
  });

  it('would fail this test if it differed', () => {
    const chart = drawn('[*] --> unknown\nunknown --> online : PageViewed (soon)');
    const [presence = expect.unreachable()] = Object.values(visitorMachine.root.states);
    const found = differences(chart, presence);
    expect(found).toContain('not drawn: online --> timedOut : TimedOut');
    expect(found).toContain('not drawn: unknown --> online : VisitorArrived');
    expect(found).toContain('not drawn: online (hardTimeout)');
    expect(found).toContain('not in the machine: unknown --> online : PageViewed');
    expect(found).toContain('not in the machine: unknown (soon)');
  });
});
