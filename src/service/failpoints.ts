/**
 * Points at which the crash tests end the process as `kill -9` does, for example between an append and its effect. Without
 * the setting they do nothing.
 */

export type Failpoint =
  | 'before-append'
  | 'after-append'
  | 'after-stanza'
  | 'after-callback'
  | 'before-webhook-answer'
  | 'after-reserve'
  | 'in-fold'
  | 'removal-step'
  | 'after-destroyed'
  | 'retention-step';

/** Passes a point. Ends the process if the setting says so. */
type PassFailpoint = (point: Failpoint) => void;

/** @param setting `point=n[,point=n…]` ends the process at the n-th pass of that point; absent never */
export function createFailpoints(
  setting: string | undefined,
  kill: () => void = () => process.kill(process.pid, 'SIGKILL'),
): PassFailpoint {
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
