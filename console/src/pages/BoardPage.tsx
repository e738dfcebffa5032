import { PageHeading } from '../ui/page.tsx';

export function BoardPage() {
  return <PageHeading title="Live board" />;
}
