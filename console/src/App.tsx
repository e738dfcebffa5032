import { useSyncExternalStore } from 'react';
import { session } from './api/session.ts';
import { BoardPage } from './pages/BoardPage.tsx';
import { DeadLettersPage } from './pages/DeadLettersPage.tsx';
import { LoginPage } from './pages/LoginPage.tsx';
import { SearchPage } from './pages/SearchPage.tsx';
import { StreamsPage } from './pages/StreamsPage.tsx';
import { TracePage } from './pages/TracePage.tsx';
import type { Route } from './route.ts';
import { to } from './route.ts';
import { Link, useRoute } from './router.tsx';
import { Shell } from './Shell.tsx';
import { Boundary } from './ui/Boundary.tsx';
import { PageHeading } from './ui/page.tsx';
import { Part } from './ui/part.tsx';

// The chart and its layout are the largest part: the other pages do not wait for them.
const loadStreamPage = () => import('./stream/StreamPage.tsx');

export function App() {
  const { token, end } = useSyncExternalStore(session.subscribe, session.get);
  const route = useRoute();
  if (token === null) return <LoginPage end={end} />;
  return (
    <Shell route={route}>
      <Boundary place={location.pathname}>
        <Page route={route} />
      </Boundary>
    </Shell>
  );
}

function Page({ route }: { readonly route: Route }) {
  switch (route.page) {
    case 'board':
      return <BoardPage />;
    case 'streams':
      return <StreamsPage />;
    case 'stream':
      return (
        <Part
          key={route.stream}
          load={loadStreamPage}
          what="the page"
          props={{ stream: route.stream }}
        />
      );
    case 'search':
      return <SearchPage />;
    case 'trace':
      return <TracePage key={route.id} id={route.id} />;
    case 'dead-letters':
      return <DeadLettersPage id={null} />;
    case 'dead-letter':
      return <DeadLettersPage id={route.id} />;
    case 'none':
      return (
        <>
          <PageHeading title="Nothing here" />
          <p className="note">
            The console has no page at this address. <Link href={to.board()}>To the board</Link>
          </p>
        </>
      );
  }
}
