%%% The tenants of one virtual host: mod_lhc_queues adds one child for each.

-module(mod_lhc_tenants_sup).
-behaviour(supervisor).

-export([start_link/1, init/1]).

start_link(Name) ->
    supervisor:start_link({local, Name}, ?MODULE, []).

init([]) ->
    {ok, {#{strategy => one_for_one}, []}}.
