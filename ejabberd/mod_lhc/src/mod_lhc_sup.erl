%%% The supervisor of one virtual host. It owns the tables, so they survive a crash of the processes. Each tenant has a
%%% supervisor of its own (mod_lhc_tenant_sup), so what crashes for one tenant does not end the others.

-module(mod_lhc_sup).
-behaviour(supervisor).

-export([start_link/1, restart_queues/1]).
-export([init/1]).

start_link(Host) ->
    #{sup := Name} = mod_lhc:config(Host),
    supervisor:start_link({local, Name}, ?MODULE, Host).

%% All queues begin anew, with the configuration of now. The tables stay, because hooks use them meanwhile. What cannot be
%% recorded is refused.
-spec restart_queues(mod_lhc:config()) -> ok.
restart_queues(#{sup := Name, queues := Queues, sessions := Sessions}) ->
    [ok = supervisor:terminate_child(Name, Child) || Child <- [queues, tenants]],
    [ets:delete_all_objects(Table) || Table <- [Queues, Sessions]],
    [{ok, _} = supervisor:restart_child(Name, Child) || Child <- [tenants, queues]],
    ok.

init(Host) ->
    #{seen := Seen, members := Members, sessions := Sessions, queues := Queues, tenants_sup := TenantsSup} =
        mod_lhc:config(Host),
    _ = mod_lhc_seen:new(Seen),
    _ = mod_lhc_tenant:new(Members),
    ok = mod_lhc_contacts:new(mod_lhc:config(Host)),
    [ets:new(Table, [named_table, public, set, {read_concurrency, true}]) || Table <- [Sessions, Queues]],
    {ok, {#{strategy => rest_for_one, intensity => 10, period => 60},
          [#{id => posts, start => {mod_lhc_posts, start_link, [Host]}, shutdown => 1000},
           #{id => tenants, start => {mod_lhc_tenants_sup, start_link, [TenantsSup]}, shutdown => infinity,
             type => supervisor},
           #{id => queues, start => {mod_lhc_queues, start_link, [Host]}, shutdown => 5000},
           %% Last, so no other process restarts with it.
           #{id => contacts, start => {mod_lhc_contacts, start_link, [Host]}, shutdown => 1000}]}}.
