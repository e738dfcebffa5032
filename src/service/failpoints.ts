/**
 * Places where the crash tests end the process as `kill -9` does: between an append and its effect, a stanza and its
 * outcome, and so on. Without the setting they are nothing.
 */

export type Failpoint =
  | 'before-append'
  | 'after-append'
  | 'after-stanza'
  | 'after-callback'
  | 'before-webhook-answer'
  | 'after-reserve'
  | 'in-fold';

/** Passes a point; ends the process when its turn has come. */
export type Pass = (point: Failpoint) => void;

/** @param setting `point=n[,point=n…]`: at the n-th passing of that point; absent: never */
export function createFailpoints(
  setting: string | undefined,
  kill: () => void = () => process.kill(process.pid, 'SIGKILL'),
): Pass {
  if (!setting) return () => {};
  const left = new Map(
    setting.split(',').map((each) => {
      const [point = '', count = '1'] = each.split('=');
      return [point, Number(count)] as const;
    }),
  );
  return (point) => {
    const count = left.get(point);
    if (count === undefined) return;
    left.set(point, count - 1);
    if (count === 1) kill();
  };
}
