/** One stream through time. */
import { PageHeading } from '../ui/page.tsx';

/** @param props.stream the name of the stream; the step is in the query (`revision`) */
export default function StreamPage({ stream }: { readonly stream: string }) {
  return <PageHeading title={stream} />;
}
