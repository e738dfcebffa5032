/** The console's types say what the API answers; `tsc` judges these lines. What is JSON of any shape has another type there. */
import { expectTypeOf, it } from 'vitest';
import type { z } from 'zod';
import type { Effect, State, TimerChange } from '../../console/src/api/debugger.ts';
import type * as console from '../../console/src/api/types.ts';
import type { OutlinePage } from '../../console/src/stream/outline.ts';
import type { Outline } from '../../src/http/debug/outline.ts';
import type { StateAt, TimerChangeView } from '../../src/http/debug/replay.ts';
import type { Found } from '../../src/http/debug/search.ts';
import type { Stream } from '../../src/http/debug/stream-list.ts';
import type { EffectView, TraceView } from '../../src/http/debug/traces.ts';

type Shaped<S> = Omit<S, 'value' | 'context'>;

it('reads what the API answers', () => {
  expectTypeOf<z.infer<typeof Stream>>().toExtend<console.StreamRow>();
  expectTypeOf<z.infer<typeof Found>>().toExtend<console.Found>();
  expectTypeOf<z.infer<typeof TraceView>>().toExtend<console.Trace>();
  expectTypeOf<z.infer<typeof EffectView>>().toExtend<Effect>();
  expectTypeOf<z.infer<typeof Outline>>().toExtend<OutlinePage>();
  expectTypeOf<Shaped<z.infer<typeof StateAt>>>().toExtend<Shaped<State>>();
  expectTypeOf<z.infer<typeof TimerChangeView>>().toExtend<TimerChange>();
});
