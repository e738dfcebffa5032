/** Parts of the console that are loaded when they are needed. */
import { type ComponentType, useEffect, useState } from 'react';
import { Loading } from './page.tsx';

type Load<Props> = () => Promise<{ readonly default: ComponentType<Props> }>;

const loaded = new WeakMap<object, unknown>();

/**
 * A component that is loaded when it is first shown. React's `lazy` would hold it back for 300 ms (FALLBACK_THROTTLE_MS),
 * however fast it came, once it has shown that something is loading.
 * @param props.load the same function each time
 * @param props.what is loading, as people read it
 */
export function Part<Props extends object>({
  load,
  what,
  props,
}: {
  readonly load: Load<Props>;
  readonly what: string;
  readonly props: Props;
}) {
  // Under this function as a key there is what it loads.
  const [Shown, setShown] = useState(() => loaded.get(load) as ComponentType<Props> | undefined);
  const [failure, setFailure] = useState<Error | null>(null);
  useEffect(() => {
    load().then(
      (module) => {
        loaded.set(load, module.default);
        setShown(() => module.default);
      },
      (error: unknown) => setFailure(error instanceof Error ? error : new Error(String(error))),
    );
  }, [load]);
  if (failure) throw failure; // to the boundary around the page
  return Shown ? <Shown {...props} /> : <Loading what={what} />;
}
