%%% The supervisor of one virtual host. It owns the tables, so they survive a crash of the processes. Each tenant has a
%%% supervisor of its own (mod_lhc_tenant_sup), so what crashes for one tenant does not end the others.

-module(mod_lhc_sup).
-behaviour(supervisor).

-export([start_link/1, init/1]).

start_link(Host) ->
    supervisor:start_link({local, gen_mod:get_module_proc(Host, ?MODULE)}, ?MODULE, Host).

init(Host) ->
    #{seen := Seen, members := Members, sessions := Sessions, queues := Queues, tenants_sup := TenantsSup} =
        mod_lhc:config(Host),
    _ = mod_lhc_seen:new(Seen),
    _ = mod_lhc_tenant:new(Members),
    [ets:new(Table, [named_table, public, set, {read_concurrency, true}]) || Table <- [Sessions, Queues]],
    {ok, {#{strategy => rest_for_one, intensity => 10, period => 60},
          [#{id => posts, start => {mod_lhc_posts, start_link, [Host]}, shutdown => 1000},
           #{id => tenants, start => {mod_lhc_tenants_sup, start_link, [TenantsSup]}, shutdown => infinity,
             type => supervisor},
           #{id => queues, start => {mod_lhc_queues, start_link, [Host]}, shutdown => 5000}]}}.
