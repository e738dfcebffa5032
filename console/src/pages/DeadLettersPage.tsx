import { PageHeading } from '../ui/page.tsx';

/** @param props.id the letter that is open */
export function DeadLettersPage({ id }: { readonly id: string | null }) {
  return <PageHeading title={id === null ? 'Dead letters' : `Dead letter ${id}`} />;
}
